// Tests of etcd in a guest of the lab.
import { assertEquals } from "@std/assert";
import { Daemon } from "../../scenarios/kit/engines.ts";
import { succeed } from "../kit/processes.ts";
import { temporaryFolder } from "../kit/worlds.ts";

Deno.test("etcd 3.4 starts, keeps a value, and leaves nothing", async () => {
  await using folder = await temporaryFolder();
  const command = ["etcd", "--data-dir", `${folder.path}/data`, "--unsafe-no-fsync"];
  await using _daemon = await Daemon.start([...command, "--logger=zap"], {
    ready: /serving client traffic/,
    // SIGTERM takes 8 to 10 seconds.
    signal: "SIGKILL",
  });
  assertEquals((await succeed("etcd", "--version")).includes("etcd Version: 3.4."), true);
  await succeed("etcdctl", "put", "color", "blue");
  assertEquals(await succeed("etcdctl", "get", "--print-value-only", "color"), "blue");
});
