import { assertEquals } from "@std/assert";
import { freshNetns } from "../kit/worlds.ts";

Deno.test("the addresses of one link are shown also after links have been", async () => {
  await using ns = await freshNetns();
  const { ip } = ns;
  await ip.link.add({ type: "dummy", name: "d0", up: true });
  await ip.addr.add({ dev: "d0", address: "10.0.0.1/24" });
  const show = async () =>
    (await ip.addr.show({ dev: "d0" })).map(({ family }) => family)
      .filter((family) => family === 4);
  assertEquals(await show(), [4]);
  await ip.link.show("d0");
  assertEquals(await show(), [4]);
});
