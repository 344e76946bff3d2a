import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  accept,
  attempt,
  type ErrorCode,
  type ErrorFields,
  errorOf,
  failureOf,
  hasProblem,
  IpvlanError,
  isIpvlanError,
  notUndone,
  throwProblems,
} from "../../../lib/base/errors.ts";
import { ERRORS } from "../../../lib/base/error_codes.ts";
import { readPage } from "../../kit/pages.ts";

const PAGE = "docs/errors.md";

/** The rows of the page, from the table of codes: each code, its fields, and when it comes. */
function rows(): string[][] {
  const source = readPage("lib/base/error_codes.ts").split("export const ERRORS = {")[1]!;
  const entry = /\/\*\*([\s\S]*?)\*\/\s+"([\w-]+)": \((?:\s*its: (\{[\s\S]*?\}),?\s*)?\): string/g;
  return [...source.matchAll(entry)].map(([, comment = "", code = "", type = ""]) => {
    const when = comment.replaceAll(/\s*\n\s*\*\s*/g, " ").trim();
    // The fields of what is in a list are the element's own.
    let own = type.slice(1, -1);
    while (own.includes("{")) own = own.replaceAll(/\{[^{}]*\}/g, "");
    const fields = [...own.matchAll(/(?:^|[\s;])(\w+)\??:/g)];
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
  assertEquals(rows().map(([code]) => code!.slice(1, -1)), Object.keys(ERRORS));
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

Deno.test("a problem is a value where it can be one, and a bug is thrown again", async () => {
  const free = new IpvlanError("no-subnet", { family: 6 });
  const fail = (error: unknown) => (): never => {
    throw error;
  };
  assertEquals(attempt(() => 7), { ok: true, value: 7 });
  assertEquals(attempt(fail(free)), { ok: false, problems: [free] });
  assertThrows(() => attempt(fail(new TypeError("bug"))), TypeError, "bug");
  throwProblems([]);
  assertEquals(attempt(() => throwProblems([free])), { ok: false, problems: [free] });
  assertStrictEquals(errorOf([free]), free);
  assertEquals(errorOf([free, free]).problems, [free, free]);
  let ran = false;
  assertEquals(await failureOf(() => Promise.resolve(ran = true).then(() => {})), undefined);
  assert(ran);
  assertEquals(await failureOf(() => Promise.reject(free)), free.message);
  assertEquals(await failureOf(() => Promise.reject("text")), "text");
  const undone = notUndone(free, "text");
  assertEquals([undone.cause, undone.failure, undone.obstacle], [free, free.message, "text"]);
});

/** A part of the sentence of an error with these fields. */
type Said = {
  [Code in ErrorCode]: [code: Code, fields: ErrorFields<Code>, part: string];
}[ErrorCode];

const NAME = "x".repeat(255);
const POOL = { subnet: "10.0.0.0/29", range: undefined, others: 0 };
const SAID: Said[] = [
  ["invalid-name", { what: "network", value: NAME, rule: "" }, `name "${NAME}" is`],
  ["invalid-name", { what: "network", value: `${NAME}x`, rule: "" }, `"${"x".repeat(60)}…" is`],
  ["network-exists", { network: "a.b_c-1" }, "with name a.b_c-1 already"],
  ["network-exists", { network: "-a" }, 'with name "-a" already'],
  ["parent-not-found", { parent: "eth0" }, 'no link "eth0" to be the parent'],
  ["parent-not-found", { parent: "eth0.5", base: "eth0" }, 'no link "eth0" to make the sub'],
  ["sandbox-exists", { sandbox: "c1", foreign: true }, 'A network namespace "c1" exists'],
  ["sandbox-exists", { sandbox: "c1", foreign: false }, 'The sandbox name "c1" is already'],
  ["sandbox-parent", { sandbox: "c1", parent: undefined }, "has no default route"],
  ["sandbox-parent", { sandbox: "c1", parent: "eth0" }, 'has no link "eth0"'],
  ["outside-subnet", { role: "ip-range", value: "x", subnets: [] }, "Ip-range x is in no subnet"],
  ["outside-subnet", { role: "gateway", value: "x", subnets: ["a"] }, "outside subnet a: give"],
  ["outside-subnet", { role: "gateway", value: "x", subnets: ["a", "b"] }, "every subnet (a, b)"],
  ["pool-exhausted", POOL, "Subnet 10.0.0.0/29 has no free"],
  ["pool-exhausted", { ...POOL, range: "10.0.0.2/31" }, "Ip-range 10.0.0.2/31 of subnet"],
  ["pool-exhausted", { ...POOL, others: 1 }, "and 1 other of its family have no free"],
  ["pool-exhausted", { ...POOL, others: 2 }, "and 2 others of its family have no free"],
  ["pools-exhausted", { pools: ["a", "b", "c"] }, "All 3 default pools (a to c) overlap"],
  ["etcd-refused", { endpoint: "e", reason: "database space exceeded" }, ": compact and"],
  ["etcd-refused", { endpoint: "e", reason: "permission denied" }, ": check the user"],
  ["host-not-found", { host: "h", known: [] }, 'no host "h" in etcd: see ipvlan host ls'],
  ["host-not-found", { host: "h", known: [], ambiguous: ["1", "2"] }, "give an id (1, 2)"],
  ["shared-pool-exhausted", { range: "r", keepers: [] }, ": remove a sandbox, or use"],
  ["shared-pool-exhausted", { range: "r", keepers: ["b"] }, '"b" keep unused ones'],
  ["shared-address-held", { address: "a", sandbox: "s", host: undefined }, '"s" on this host:'],
  ["shared-address-held", { address: "a", sandbox: "s", host: "b" }, '"s" on the host "b": give'],
  [
    "shared-address-held",
    { address: "a", sandbox: undefined, host: "b" },
    "itself, or by its etcd",
  ],
  ["session-closed", { session: "ip", reason: 'Option "-json" is unknown' }, ": install iproute2"],
  ["session-closed", { session: "ip", reason: "killed" }, 'session "ip" has ended: killed'],
  ["program-not-found", { program: "ping" }, "install iputils-ping and"],
  ["program-not-found", { program: "tc" }, "install iproute2 and"],
  ["site-file", { file: "f", line: undefined, key: "", reason: "why" }, "f: why"],
  ["site-file", { file: "f", line: 7, key: "a\nb", reason: "why" }, "f:7: a\\nb: why"],
  ["unknown-name", { subject: "webb", known: ["web"] }, '"webb" (did you mean "web"?)'],
  ["unknown-name", { subject: "x", known: [] }, '"x": see which there are'],
  ["network-not-found", { network: "x", known: [] }, "x not found: see which there are, or"],
  ["template", { line: 1, column: 2, reason: "a\n b" }, ":1:2: a b"],
];

Deno.test("a sentence has what its fields say, and no part that they do not", () => {
  for (const [code, fields, part] of SAID) {
    const { message } = new IpvlanError(code as "network-exists", fields as { network: string });
    assertStringIncludes(message, part);
    assert(!message.includes("undefined"), message);
  }
  const closed = new IpvlanError("session-closed", { session: "ip", reason: "killed" });
  assertEquals(closed.message, 'The session "ip" has ended: killed');
  const fields = { file: "f", line: undefined, key: "", reason: "why" };
  assertEquals(new IpvlanError("site-file", fields).message, "f: why");
});
