import { assert, assertEquals } from "@std/assert";
import { JsonObject, MAX_REQUEST, parseRequest, readRequest } from "../../../lib/engine/json.ts";
import { assertThrowsError } from "../../kit/errors.ts";

const object = JsonObject.parse(JSON.stringify({
  name: "l2net",
  internal: false,
  nothing: null,
  subnets: [{ subnet: "10.1.0.0/24" }, { subnet: 5 }],
  aliases: ["web", 1],
  options: { parent: "eth0", mtu: 1400 },
}));

Deno.test("fields are read by their kinds, and one that is null is missing", () => {
  assertEquals(object.text("name"), "l2net");
  assertEquals(object.optionalText("nothing"), undefined);
  assertEquals([object.flag("internal"), object.flag("nothing")], [false, false]);
  assertEquals(object.objects("subnets")[0]!.text("subnet"), "10.1.0.0/24");
  assertEquals(object.objects("nothing"), []);
  assertEquals(object.textByName("nothing"), {});
  assertEquals([object.has("name"), object.has("nothing"), object.has("toString")], [
    true,
    false,
    false,
  ]);
});

Deno.test("an error names the place that is wrong", () => {
  const fails = (read: () => unknown, place: string) =>
    assertThrowsError(read, "invalid-request", place);
  fails(() => object.text("id"), '"id" is missing');
  fails(() => object.text("toString"), '"toString" is missing');
  fails(() => object.text("internal"), '"internal" is not a text');
  fails(() => object.flag("name"), '"name" is neither true nor false');
  fails(() => object.texts("aliases"), '"aliases[1]" is not a text');
  fails(() => object.texts("name"), '"name" is not a list');
  fails(() => object.objects("aliases"), '"aliases[0]" is not an object');
  fails(() => object.objects("subnets")[1]!.text("subnet"), '"subnets[1].subnet" is not a text');
  fails(() => object.object("nothing"), '"nothing" is missing');
  fails(() => object.optionalObject("subnets"), '"subnets" is not an object');
  fails(() => object.textByName("options"), '"options.mtu" is not a text');
  fails(() => JsonObject.parse("{"), "it is not JSON: ");
  fails(() => JsonObject.parse("[]"), "it is not an object");
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
