import { assert, assertEquals } from "@std/assert";
import {
  accept,
  attempt,
  hasProblem,
  IpvlanError,
  isIpvlanError,
} from "../../../lib/base/errors.ts";
import { SENTENCES } from "../../../lib/base/error_sentences.ts";
import { readPage } from "../../kit/pages.ts";

const PAGE = "docs/errors.md";

/** The rows of the page, from the table of codes: each code, its fields, and when it comes. */
function rows(): string[][] {
  const source = readPage("lib/base/error_codes.ts").split("export interface ErrorTable {")[1]!;
  const entry = /\/\*\*([\s\S]*?)\*\/\s+"([\w-]+)":\s*(object|\{[\s\S]*?\n? *\});\n/g;
  return [...source.matchAll(entry)].map(([, comment = "", code = "", type = ""]) => {
    const when = comment.replaceAll(/\s*\n\s*\*\s*/g, " ").trim();
    // The fields of what is in a list are the element's own.
    let own = type.slice(1, -1);
    while (own.includes("{")) own = own.replaceAll(/\{[^{}]*\}/g, "");
    const fields = type === "object" ? [] : [...own.matchAll(/(?:^|[\s;])(\w+)\??:/g)];
    return [`\`${code}\``, fields.map(([, name]) => `\`${name}\``).join(" "), when];
  });
}

Deno.test("the page of errors has each code with its fields", async () => {
  const table = [["code", "fields", "what is wrong"], ["---", "---", "---"], ...rows()];
  const lines = table.map((row) => `| ${row.join(" | ")} |`);
  const head = readPage(PAGE).split("|", 1)[0];
  if (Deno.env.get("UPDATE_GOLDEN")) {
    await Deno.writeTextFile(PAGE, `${head}${lines.join("\n")}\n`);
  }
  const plain = (text: string) => text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---");
  assertEquals(
    plain(readPage(PAGE).slice(head!.length)).trimEnd().split("\n"),
    lines.map(plain),
    "The codes have changed. If you want that, write the page again: UPDATE_GOLDEN=1 deno test -A " +
      "tests/unit/base/errors_test.ts",
  );
  assertEquals(rows().map(([code]) => code!.slice(1, -1)), Object.keys(SENTENCES));
});

Deno.test("the code of an error tells its fields, and one error has all problems of a request", () => {
  const held = new IpvlanError("address-held", { address: "10.0.0.1", holder: "c1" }).at("ip");
  const free = new IpvlanError("no-subnet", { family: 6 });
  assert(held instanceof IpvlanError && held instanceof Error);
  // The types narrow: neither line compiles with another code.
  const holder = isIpvlanError(held, "address-held") ? held.holder : "";
  const family = (free as IpvlanError).code === "no-subnet" ? free.family : 4;
  assertEquals([holder, family, held.name, held.field, held.problems], [
    ...["c1", 6, "IpvlanError", ["ip"]],
    [held],
  ]);
  assertEquals(JSON.parse(JSON.stringify(held)), {
    code: "address-held",
    message: held.message,
    field: ["ip"],
    address: "10.0.0.1",
    holder: "c1",
  });
  assertEquals(isIpvlanError(held, "no-subnet", "interrupted"), false);
  assertEquals(isIpvlanError(new TypeError("address-held"), "address-held"), false);
  const both = attempt(() => accept({ ok: false, problems: [held, free] }));
  assert(!both.ok);
  const [one] = both.problems;
  assert(isIpvlanError(one, "problems"));
  assertEquals([one.message, one.problems], [`${held.message}\n${free.message}`, [held, free]]);
  assert(hasProblem(one, "no-subnet") && !hasProblem(one, "address-in-use"));
  assertEquals(accept({ ok: true, value: 1 }), { ok: true, value: 1 });
});
