import { assertEquals, assertThrows } from "@std/assert";
import { InvalidRequestError, JsonObject } from "../../../lib/engine/json.ts";

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
    assertThrows(read, InvalidRequestError, place);
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
  fails(() => JsonObject.parse("{"), "it is not JSON (");
  fails(() => JsonObject.parse("[]"), "it is not an object");
});
