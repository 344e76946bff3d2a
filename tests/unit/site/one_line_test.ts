import { assertEquals, assertThrows } from "@std/assert";
import { IpvlanError, isIpvlanError } from "../../../lib/base/errors.ts";
import { parseSite } from "../../../lib/site/mod.ts";

/** A line that somebody could mistake for one of ours, and a code that clears the line above. */
const FORGED = "x\n\u001b[2Kok: all is well";

/** Site files that are wrong, with the forged line where a message shows it. */
const WRONG: Record<string, unknown> = {
  "a key": { [FORGED]: {} },
  "a network": { networks: { [FORGED]: {} } },
  "a value": { networks: FORGED },
  "a choice": { networks: { a: { mode: FORGED } } },
  "a check": { checks: [FORGED] },
  "an auxiliary address": {
    networks: { a: { subnets: ["10.0.0.0/24"], aux_addresses: { [FORGED]: "10.0.0.9" } } },
    sandboxes: { c: { networks: { a: { ip: "10.0.0.9" } } } },
  },
};

for (const [where, site] of Object.entries(WRONG)) {
  Deno.test(`each message about a site file is one printable line: ${where}`, () => {
    const error = assertThrows(() => parseSite("demo.yaml", JSON.stringify(site)), IpvlanError);
    const count = isIpvlanError(error, "problems") ? error.problems.length : 1;
    assertEquals(error.message.split("\n").length, count, error.message);
    assertEquals(error.message.includes("\u001b"), false, error.message);
    assertEquals(error.message.includes("ok: all is well"), true, error.message);
  });
}

Deno.test("each message about a site file is one printable line: the file's name", () => {
  const error = assertThrows(() => parseSite(`${FORGED}.yaml`, "networks: 1"), IpvlanError);
  assertEquals(error.message.includes("\u001b"), false);
  assertEquals(error.message.split("\n").length, (error as IpvlanError).problems?.length ?? 1);
});
