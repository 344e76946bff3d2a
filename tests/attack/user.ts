import { assert, assertEquals } from "@std/assert";
import type { Driver } from "../../mod.ts";
import { decode, type Ran } from "../kit/processes.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";
import type { Attack, Tally } from "./attack.ts";

/** The user and the group `nobody`. */
const NOBODY = { uid: 65534, gid: 65534 };

/** Runs a script of sh(1) as a user without any rights. */
async function asNobody(script: string): Promise<Ran> {
  const command = new Deno.Command("sh", { args: ["-c", script], stdin: "null", ...NOBODY });
  return decode(await command.output());
}

/** A world with two sandboxes on a network. */
async function populate(host: TestHost, tally: Tally): Promise<Driver> {
  const driver = await host.driver();
  await driver.createNetwork({ name: "n", parent: "eth0.20", subnets: ["10.0.0.0/24"] });
  for (const name of ["c1", "c2"]) {
    await driver.createSandbox({ name, connections: [{ network: "n" }] });
  }
  tally.calls += 3;
  return driver;
}

/** A user without rights tries what files and the command let him. */
export const USER: Attack = {
  name: "unprivileged user",
  round: (_random, tally) =>
    withHost(async (host) => {
      await populate(host, tally);
      const before = await host.dump();
      const tries = [
        `cat ${host.stateDir}/ipvlan.db`,
        `: >> ${host.stateDir}/ipvlan.db`,
        `: >> ${host.stateDir}/lock`,
        `rm -rf ${host.stateDir}`,
        "echo 10.0.0.9 evil >> /etc/netns/c1/hosts",
        "rm -rf /etc/netns/c1",
        "ln -s /etc/passwd /etc/netns/c1/x",
        "ip netns del c1",
        "ip -n c1 link del eth0",
      ];
      for (const script of tries) {
        const { code, stdout } = await asNobody(script);
        assert(code !== 0, `nobody may: ${script}`);
        assertEquals(stdout, "", script);
      }
      assertEquals(await host.dump(), before);
      // A sandbox's names are for its programs, whoever runs them.
      assertEquals((await asNobody("cat /etc/netns/c1/hosts")).code, 0);
    }),
};

/** A user without rights holds the file of a namespace open while its sandbox is removed. */
export const HELD_NAMESPACE: Attack = {
  name: "held namespace",
  round: (_random, tally) =>
    withHost(async (host) => {
      const driver = await populate(host, tally);
      const { ip } = driver.inspectSandbox("c1").endpoints[0]!;
      await using holder = holdOpen("/run/netns/c1");
      await holder.holds();
      await driver.removeSandbox("c1");
      // Its address is free, also for an automatic choice.
      const { value } = await driver.createSandbox({ name: "c3", connections: [{ network: "n" }] });
      tally.calls += 2;
      assertEquals(value.endpoints[0]!.ip, ip);
    }),
};

/** Holds a file open as a user without rights. */
function holdOpen(path: string): AsyncDisposable & { holds(): Promise<void> } {
  const child = new Deno.Command("sh", {
    args: ["-c", `exec 7< ${path}; echo held; exec cat`],
    stdin: "piped",
    stdout: "piped",
    ...NOBODY,
  }).spawn();
  const reader = child.stdout.getReader();
  return {
    holds: async () => void await reader.read(),
    [Symbol.asyncDispose]: async () => {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}
