// containerd with the plugin of the package, in a guest of the lab.
import { assertEquals } from "@std/assert";
import { containerdTests } from "../engines/containerd.ts";
import { inEnv, succeed } from "../kit/processes.ts";
import { packagePath } from "./prepare.ts";

/** Installs the package, and puts its `ipvlan` before the lab's own on PATH. */
async function withPackage(): Promise<AsyncDisposable> {
  await succeed("dpkg", "-i", packagePath("amd64.deb"));
  const path = inEnv("PATH", `/usr/bin:${Deno.env.get("PATH")}`);
  assertEquals(await succeed("sh", "-c", "command -v ipvlan"), "/usr/bin/ipvlan");
  return {
    async [Symbol.asyncDispose]() {
      path[Symbol.dispose]();
      await succeed("dpkg", "--purge", "ipvlan-kit");
    },
  };
}

containerdTests("2", "1.1.0", withPackage);
