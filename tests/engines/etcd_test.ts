// Tests of etcd in a guest of the lab.
import { assertEquals } from "@std/assert";
import { succeed } from "../kit/processes.ts";
import { temporaryFolder } from "../kit/worlds.ts";
import { startEtcd } from "./etcd.ts";

Deno.test("etcd 3.4 starts, keeps a value, and leaves nothing", async () => {
  await using folder = await temporaryFolder();
  await using _daemon = await startEtcd(folder.path);
  assertEquals((await succeed("etcd", "--version")).includes("etcd Version: 3.4."), true);
  await succeed("etcdctl", "put", "color", "blue");
  assertEquals(await succeed("etcdctl", "get", "--print-value-only", "color"), "blue");
});
