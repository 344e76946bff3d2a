import { assert, assertEquals } from "@std/assert";
import type { Driver } from "../../mod.ts";
import { MARK } from "../../lib/driver/sandbox/hosts_plan.ts";
import { assertConsistent, ETC, sandboxFiles } from "../kit/look.ts";
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

function hostsOf(sandbox: string): string {
  return `${ETC}/${sandbox}/hosts`;
}

function inode(sandbox: string): number | null {
  return Deno.statSync(hostsOf(sandbox)).ino;
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

/** Runs a shell's line in a sandbox as root, and returns what it prints. */
async function shell(driver: Driver, sandbox: string, line: string): Promise<string> {
  const { stdout } = await driver.exec(sandbox, ["sh", "-c", line]).output();
  return new TextDecoder().decode(stdout);
}

/** The lines of a sandbox's hosts file that the driver did not write. */
function theirLines(sandbox: string): string[] {
  return Deno.readTextFileSync(hostsOf(sandbox)).split("\n")
    .filter((line) => line !== "" && !line.endsWith(MARK));
}

/** Asserts that sandboxes find each other, in the order in which they have come. */
function assertNames(sandboxes: string[], seenBy = sandboxes): void {
  for (const sandbox of seenBy) {
    const lines = Deno.readTextFileSync(hostsOf(sandbox)).split("\n");
    const names = lines.filter((line) => line.endsWith(`.a${MARK}`)).map((line) =>
      line.split(" ")[1]
    );
    assertEquals(names, sandboxes, `in ${sandbox}`);
  }
}

const BANK = "10.9.9.9 bank";

Deno.test("what root in a sandbox adds to its hosts file stays its own, and stays there", () =>
  withHost(async (host) => {
    const driver = await threeSandboxes(host);
    await using one = reader(driver, "c1");
    await shell(driver, "c1", `echo ${BANK} >>/etc/hosts`);
    await shell(driver, "c3", "printf '10.8.8.8 unfinished' >>/etc/hosts");
    const assertOwn = () =>
      assertEquals(SANDBOXES.map(theirLines), [[BANK], [], ["10.8.8.8 unfinished"]]);
    assertOwn();
    assertEquals(await shell(driver, "c2", "grep bank /etc/hosts"), "");
    await driver.createSandbox({ name: "d", connections: [{ network: "a" }] });
    assertOwn();
    assertNames([...SANDBOXES, "d"]);
    // Another process has another file open, and knows nothing of what this one has written.
    const other = await host.driver();
    await other.createSandbox({ name: "e", connections: [{ network: "a" }] });
    await driver.createSandbox({ name: "f", connections: [{ network: "a" }] });
    await driver.connect("b", "c1");
    await driver.removeSandbox("d");
    await driver.restore();
    assertOwn();
    assertEquals(await shell(driver, "c1", "getent hosts bank | tr -s ' '"), `${BANK}\n`);
    assertNames([...SANDBOXES, "e", "f"]);
    assertEquals(await one.names(), [...SANDBOXES, "e", "f", "c1"]);
    assertEquals(new Set(SANDBOXES.map(inode)).size, 3);
    // It goes with the sandbox.
    await driver.removeSandbox("c1");
    await driver.createSandbox({ name: "c1", connections: [{ network: "a" }] });
    assertEquals(theirLines("c1"), []);
  }));

Deno.test("no line that root in a sandbox appends is lost when others join at the same time", () =>
  withHost(async (host) => {
    const driver = await threeSandboxes(host);
    const script =
      "i=0; while [ $i -lt 500 ]; do echo 10.9.9.9 own$i >>/etc/hosts; i=$((i+1)); done";
    const appended = shell(driver, "c1", script);
    const names = Array.from({ length: 8 }, (_, index) => `d${index}`);
    for (const name of names) {
      await driver.createSandbox({ name, connections: [{ network: "a" }] });
    }
    await appended;
    assertEquals(
      theirLines("c1"),
      Array.from({ length: 500 }, (_, index) => `10.9.9.9 own${index}`),
    );
    assertNames([...SANDBOXES, ...names]);
  }));

/** What root in a sandbox may do to its hosts file, and what is there of it afterwards. */
const MISCHIEF: [line: string, left: string[]][] = [
  ["echo 10.9.9.9 bank >/etc/hosts", [BANK]],
  [": >/etc/hosts", []],
  ["sed 's/c2/evil/g' /etc/hosts >/tmp/it; cat /tmp/it >/etc/hosts; rm /tmp/it", []],
  ["chmod 0 /etc/hosts", []],
  // The second names of the file, in the folders of the host.
  ["rm -r /etc/netns/c1", []],
  ["rm /etc/netns/.ipvlan-kit/@c1; echo 10.9.9.9 bank >>/etc/netns/c1/hosts", []],
  ["ln -sf /tmp/victim /etc/netns/.ipvlan-kit/@c1", []],
  ["ln -sf /tmp/none /etc/netns/.ipvlan-kit/@c1", []],
  ["rm /etc/netns/.ipvlan-kit/@c1; mkfifo /etc/netns/.ipvlan-kit/@c1", []],
  ["rm /etc/netns/.ipvlan-kit/@c1; mkdir /etc/netns/.ipvlan-kit/@c1", []],
];

Deno.test("whatever root in a sandbox does to its hosts file harms no other file, and the next call mends it", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ name: "a", parent: "eth0", subnets: ["10.0.0.0/24"] });
    const present = ["c1", "c2"];
    for (const name of present) {
      await driver.createSandbox({ name, connections: [{ network: "a" }] });
    }
    await Deno.writeTextFile("/tmp/victim", "precious");
    try {
      for (const [index, [line, left]] of MISCHIEF.entries()) {
        await shell(driver, "c1", line);
        // By turns the driver that has the file open, and another one.
        const other = await host.driver();
        const name = `d${index}`;
        const connections = [{ network: "a" }];
        const by = index % 2 === 0 ? driver : other;
        const { notices } = await by.createSandbox({ name, connections });
        present.push(name);
        assertEquals([line, notices, theirLines("c1")], [line, [], left]);
        assertNames(present);
        assertEquals(await Deno.readTextFile("/tmp/victim"), "precious");
        await shell(driver, "c1", "sed -i /bank/d /etc/netns/c1/hosts");
        await other.restore();
      }
      await assertConsistent(host);
      // One that is too large is left alone, and said.
      await shell(driver, "c1", "truncate -s 1T /etc/hosts");
      const { notices } = await driver.createSandbox({
        name: "e",
        connections: [{ network: "a" }],
      });
      assertEquals(notices, [
        'The hosts file of sandbox "c1" cannot be changed: /etc/netns/c1/hosts has 1099511627776 ' +
        "bytes, more than 16777216",
      ]);
      present.push("e");
      assertNames(present, present.slice(1));
    } finally {
      await shell(driver, "c1", "truncate -s 0 /etc/hosts");
      await Deno.remove("/tmp/victim");
    }
    for (const name of present) await driver.removeSandbox(name);
    await assertConsistent(host);
    assertEquals(sandboxFiles(), {});
  }));

Deno.test("a sandbox with names of its own has them in its file alone", () =>
  withHost(async (host) => {
    const driver = await threeSandboxes(host);
    const hosts = [{ name: "db", address: "10.9.9.9" }];
    await driver.createSandbox({ name: "own", hosts, connections: [{ network: "a" }] });
    assert((await Deno.readTextFile(hostsOf("own"))).includes("10.9.9.9 db"));
    assert(!(await Deno.readTextFile(hostsOf("c1"))).includes("10.9.9.9 db"));
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
    assertEquals(await two.names(), [...SANDBOXES, "d"]);
    // In an earlier version, sandboxes shared a file with other names in the folder.
    await Deno.remove(`${ETC}/.ipvlan-kit`, { recursive: true });
    await Deno.writeTextFile(`${ETC}/old`, "# Written by ipvlan-kit; changes will be lost\n");
    await Deno.remove(`${ETC}/c1/hosts`);
    await run("ln", `${ETC}/old`, `${ETC}/c1/hosts`);
    await Deno.rename(`${ETC}/old`, `${ETC}/c3/hosts`);
    await join("e");
  }));
