import { assert, assertEquals } from "@std/assert";
import { flag, object, text } from "../../../lib/base/reader.ts";
import {
  list,
  MAX_REQUEST,
  optional,
  parseRequest,
  readJson,
  readRequest,
  record,
} from "../../../lib/engine/json.ts";
import { assertThrowsError } from "../../kit/errors.ts";

const network = object({
  name: text,
  internal: optional(flag),
  subnets: list(object({ subnet: text })),
  options: record(text),
});

/** Reads a network that is right but for these fields. */
const json = (fields: object) => JSON.stringify({ name: "l2net", ...fields });

Deno.test("fields are read by their kinds, and one that is null is missing", () => {
  assertEquals<unknown>(readJson(network, json({ subnets: null, more: 5 })), {
    name: "l2net",
    subnets: [],
    options: {},
  });
  const fields = {
    internal: false,
    subnets: [{ subnet: "10.1.0.0/24" }],
    options: { mtu: "1400" },
  };
  assertEquals(readJson(network, json(fields)), { name: "l2net", ...fields });
});

Deno.test("an error names each place that is wrong, and its value", () => {
  const fails = (text: string, ...reasons: string[]) => {
    const code = reasons.length === 1 ? "invalid-request" : "problems";
    const { message } = assertThrowsError(() => readJson(network, text), code);
    assertEquals(
      message.replace(/(?<=not JSON: ).*/, ""),
      reasons.map((reason) => `The engine's request cannot be read: ${reason}`).join("\n"),
    );
  };
  fails("{", "it is not JSON: ");
  fails("[]", "it is [], and should be an object");
  fails("{}", '"name" is missing, and should be a text');
  fails(json({ toString: 5, subnets: 1 }), '"subnets" is 1, and should be a list');
  fails(
    json({ name: 1, internal: "no", subnets: [{ subnet: 5 }, "x"], options: { mtu: 1400 } }),
    '"name" is 1, and should be a text',
    '"internal" is "no", and should be true or false',
    '"subnets[0].subnet" is 5, and should be a text',
    '"subnets[1]" is "x", and should be an object',
    '"options.mtu" is 1400, and should be a text',
  );
});

/** Lists, each in another one. */
const nested = (times: number) => "[".repeat(times) + "]".repeat(times);

Deno.test("what no engine sends is refused before anything is done with it, in a sentence", () => {
  const refused: [string, string][] = [
    ["", "is not JSON: it is empty"],
    [`"${"x".repeat(MAX_REQUEST)}"`, `is longer than ${MAX_REQUEST} bytes`],
    [`"${"ä".repeat(MAX_REQUEST / 2)}"`, `is longer than ${MAX_REQUEST} bytes`],
    [JSON.stringify(Array(2 ** 15).fill(0)), `has more than ${2 ** 15} values`],
    [`{"a":[${nested(1)}${`,${nested(2)}`.repeat(2 ** 14)}]}`, `has more than ${2 ** 15} values`],
    [nested(66), "is nested more than 64 times"],
    [nested(500_000), "is nested more than 64 times"],
  ];
  for (const [text, reason] of refused) assertEquals(parseRequest(text), { reason });
  const long = `"${"x".repeat(MAX_REQUEST - 2)}"`;
  const read = [long, nested(65), JSON.stringify(Array(2 ** 15 - 1).fill(0)), "1e400", "null"];
  for (const text of read) assertEquals(parseRequest(text), { value: JSON.parse(text) });
});

Deno.test("of a request that is too long, only the beginning is kept", async () => {
  const chunk = new TextEncoder().encode("ä".repeat(1000));
  const long = ReadableStream.from(Array.from({ length: 10_000 }, () => chunk.subarray(0, 999)));
  const text = await readRequest(long);
  assertEquals(parseRequest(text), { reason: `is longer than ${MAX_REQUEST} bytes` });
  assert(text.length < MAX_REQUEST);
  // Characters may be in two chunks.
  const parts = ReadableStream.from(
    [[0x22, 0xc3], [0xa4, 0x22]].map((part) => new Uint8Array(part)),
  );
  assertEquals(await readRequest(parts), '"ä"');
});
