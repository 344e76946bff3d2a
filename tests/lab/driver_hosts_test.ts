import { assert, assertEquals } from "@std/assert";
import type { Driver } from "../../mod.ts";
import { assertConsistent, ETC } from "../kit/look.ts";
import { run } from "../kit/processes.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";

/** The networks of these tests, and the sandboxes, all of them on the first one. */
const [NETWORKS, SANDBOXES] = [["a", "b"], ["c1", "c2", "c3"]];

async function threeSandboxes(host: TestHost): Promise<Driver> {
  const driver = await host.driver();
  for (const [index, name] of NETWORKS.entries()) {
    await driver.createNetwork({ name, parent: "eth0", subnets: [`10.${index}.0.0/24`] });
  }
  for (const name of SANDBOXES) {
    await driver.createSandbox({ name, connections: [{ network: "a" }] });
  }
  return driver;
}

/** A process in a sandbox that prints what it finds in its hosts file, when it is asked to. */
function reader(driver: Driver, sandbox: string): AsyncDisposable & { names(): Promise<string[]> } {
  const script = "while read -r _; do cut -s -d' ' -f2- /etc/hosts | grep -F .; echo end; done";
  const child = driver.exec(sandbox, ["sh", "-c", script], { stdin: "piped", stdout: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  return {
    names: async () => {
      await writer.write(new TextEncoder().encode("\n"));
      let text = "";
      while (!text.endsWith("end\n")) text += (await lines.read()).value ?? "end\n";
      return text.split("\n").slice(0, -2).map((line) => line.split(" ")[0]!);
    },
    [Symbol.asyncDispose]: async () => {
      await writer.close();
      await lines.cancel();
      await child.status;
    },
  };
}

function inode(sandbox: string): number | null {
  return Deno.statSync(`${ETC}/${sandbox}/hosts`).ino;
}

Deno.test("a process that runs finds the names of those who join, and of networks that come later", () =>
  withHost(async (host) => {
    const driver = await threeSandboxes(host);
    await using one = reader(driver, "c1");
    await using two = reader(driver, "c2");
    assertEquals([await one.names(), await two.names()], [SANDBOXES, SANDBOXES]);
    await driver.createSandbox({ name: "d", connections: [{ network: "b" }] });
    await driver.connect("b", "c1");
    // The other one is not on the second network, so it does not know who is there.
    assertEquals([await one.names(), await two.names()], [[...SANDBOXES, "d", "c1"], SANDBOXES]);
    await driver.createSandbox({ name: "e", connections: [{ network: "a" }] });
    await driver.createSandbox({ name: "f", connections: [{ network: "b" }] });
    assertEquals(await one.names(), [...SANDBOXES, "e", "d", "c1", "f"]);
    assertEquals(await two.names(), [...SANDBOXES, "e"]);
    await driver.disconnect("a", "c1");
    assertEquals([await one.names(), await two.names()], [["d", "c1", "f"], ["c2", "c3", "e"]]);
    await assertConsistent(host);
  }));

Deno.test("sandboxes on the same networks share one hosts file, and one with other names has its own", () =>
  withHost(async (host) => {
    const driver = await threeSandboxes(host);
    assertEquals(new Set(SANDBOXES.map(inode)).size, 1);
    const connections = [{ network: "a" }];
    const hosts = [{ name: "db", address: "10.9.9.9" }];
    await driver.createSandbox({ name: "own", hosts, connections });
    assert(inode("own") !== inode("c1"));
    assert((await Deno.readTextFile(`${ETC}/own/hosts`)).includes("10.9.9.9 db"));
    assert(!(await Deno.readTextFile(`${ETC}/c1/hosts`)).includes("10.9.9.9 db"));
    await driver.removeSandbox("own");
    await assertConsistent(host);
  }));

Deno.test("the next call puts right the hosts files that are gone, and those of an earlier version", () =>
  withHost(async (host) => {
    const driver = await threeSandboxes(host);
    await using two = reader(driver, "c2");
    await two.names();
    const join = async (name: string) => {
      await driver.createSandbox({ name, connections: [{ network: "a" }] });
      await assertConsistent(host);
    };
    await Deno.remove(`${ETC}/c1`, { recursive: true });
    await join("d");
    // An earlier version had a file for each sandbox.
    await run("cp", `${ETC}/c1/hosts`, `${ETC}/old`);
    await Deno.rename(`${ETC}/old`, `${ETC}/c1/hosts`);
    await Deno.remove(`${ETC}/.ipvlan-kit`, { recursive: true });
    await join("e");
    assertEquals(await two.names(), [...SANDBOXES, "d", "e"]);
  }));
