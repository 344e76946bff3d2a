import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { EngineDriver } from "../../lib/driver/mod.ts";
import { LINK_GROUP } from "../../lib/driver/network/parent.ts";
import { linkDel } from "../../lib/iproute2/link.ts";
import { assertConsistent } from "../kit/look.ts";
import { processes, run } from "../kit/processes.ts";
import { type TestHost, withHost } from "../kit/worlds.ts";
import { isIpvlanError } from "../../lib/base/errors.ts";
import { assertError, assertRejectsError } from "../kit/errors.ts";
import { onChange } from "../kit/faults.ts";

const NETWORK = { name: "n", parent: "eth0.20", subnets: ["10.20.0.0/24", "fd20::/64"] };
const IP = "10.20.0.9";
const AT = { ip: IP, ip6: "fd20::9" };

/** Runs a line of `ip` in a namespace, given by its name or by the path of its file. */
async function ipIn(netns: string, ...words: string[]): Promise<string> {
  const path = netns.includes("/") ? netns : `/run/netns/${netns}`;
  const { code, stdout, stderr } = await run("nsenter", `--net=${path}`, "ip", ...words);
  assertEquals([code, stderr], [0, ""], words.join(" "));
  return stdout;
}

/** The ipvlan links in a namespace. */
async function ipvlanLinks(netns: string): Promise<string[]> {
  const rows = JSON.parse(await ipIn(netns, "-json", "link", "show", "type", "ipvlan"));
  return rows.flatMap(({ ifname }: { ifname?: string }) => ifname ?? []);
}

/** A network namespace without a name, which ends with the scope. */
interface Nested extends AsyncDisposable {
  /** The path of its file. */
  path: string;
  /** Ends its only process. From then on, only an open file keeps the namespace. */
  hide(): Promise<void>;
}

/** Makes a namespace as a process in a sandbox does: with a process in it, and not by name. */
async function nested(sandbox: string): Promise<Nested> {
  const script = "echo begun; exec sleep 1000";
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", sandbox, "unshare", "--net", "sh", "-c", script],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const file = await Deno.open(`/proc/${child.pid}/ns/net`);
  let ended = false;
  const end = async () => {
    if (ended) return;
    ended = true;
    child.kill("SIGKILL");
    await reader.cancel();
    await child.status;
  };
  return {
    path: pathOf(file),
    hide: end,
    [Symbol.asyncDispose]: async () => {
      file.close();
      await end();
    },
  };
}

/** The path, for other processes too, of a namespace's file that this process has open. */
function pathOf(file: Deno.FsFile): string {
  const folder = `/proc/${Deno.pid}/fd`;
  const paths = [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`);
  return paths.find((path) => numberOf(path) === file.statSync().ino)!;
}

function numberOf(path: string): number | null {
  try {
    return Deno.statSync(path).ino;
  } catch {
    return null; // It was the file of the folder itself.
  }
}

/** Gives a namespace a second name, until the end of the scope. */
async function secondName(netns: string, name: string): Promise<AsyncDisposable> {
  const path = `/run/netns/${name}`;
  await Deno.writeTextFile(path, "");
  assertEquals((await run("mount", "--bind", `/run/netns/${netns}`, path)).code, 0);
  return { [Symbol.asyncDispose]: async () => void await run("ip", "netns", "del", name) };
}

/** A host with a network, a sandbox `c` on it, and a driver. */
async function withSandbox(
  test: (host: TestHost, driver: EngineDriver) => Promise<void>,
): Promise<void> {
  await withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    await driver.createSandbox({ name: "c", connections: [{ network: "n", ...AT }] });
    await test(host, driver);
  });
}

/** Asserts that the addresses of `c` are free: another sandbox gets them at once. */
async function assertFree(host: TestHost): Promise<void> {
  // The driver tries again when an address is held.
  const refused: string[] = [];
  const driver = await host.driver({
    wrap: onChange((line, pass) =>
      pass().catch((error) => {
        if (isIpvlanError(error, "ip-command") && error.errno === "EADDRINUSE") refused.push(line);
        throw error;
      })
    ),
  });
  await driver.createSandbox({ name: "next", connections: [{ network: "n", ...AT }] });
  assertEquals(refused, [], "the address was held for a while");
  await assertConsistent(host);
  await driver.removeSandbox("next");
}

Deno.test("who holds the file of a namespace open does not keep a removed sandbox's link", () =>
  withSandbox(async (host, driver) => {
    using held = await Deno.open("/run/netns/c");
    await driver.removeSandbox("c");
    assertEquals(await ipvlanLinks(pathOf(held)), []);
    await assertFree(host);
  }));

/** The name by which `ip` deletes the link with an index, unless another link has that name. */
function nameOfIndex(index: number): string {
  return linkDel({ index }).line.split(" ").at(-1)!;
}

/** What root in the sandbox `c` does with its link. */
const DISGUISES: [what: string, disguise: () => Promise<unknown>][] = [
  ["renames it", async () => {
    await ipIn("c", "link", "set", "eth0", "down");
    await ipIn("c", "link", "set", "eth0", "name", "mine", "up");
  }],
  ["changes its group", () => ipIn("c", "link", "set", "eth0", "group", "0")],
  ["takes all marks off", async () => {
    await ipIn("c", "link", "set", "eth0", "down");
    await ipIn("c", "link", "set", "eth0", "name", "mine", "group", "0", "alias", "mine");
    await ipIn("c", "addr", "flush", "dev", "mine");
  }],
  ["gives its name to another link", async () => {
    await ipIn("c", "link", "set", "eth0", "down");
    await ipIn("c", "link", "set", "eth0", "name", "mine");
    const group = String(LINK_GROUP);
    await ipIn("c", "link", "add", "eth0", "group", group, "type", "dummy");
    await ipIn("c", "link", "set", "mine", "up");
  }],
  ["gives another link the name of its index", async () => {
    const [{ ifindex }] = JSON.parse(await ipIn("c", "-json", "link", "show", "eth0"));
    await ipIn("c", "link", "add", "x", "type", "dummy");
    await ipIn("c", "link", "property", "add", "dev", "x", "altname", nameOfIndex(ifindex));
  }],
  ["moves it out and back, so that it has another index", async () => {
    const [{ ifindex }] = JSON.parse(await ipIn("c", "-json", "link", "show", "eth0"));
    await using other = await nested("c");
    const script = `ip link set eth0 netns "$0" && ip link add name x index ${ifindex} type dummy`;
    const { code, stderr } = await run("ip", "netns", "exec", "c", "sh", "-c", script, other.path);
    assertEquals([code, stderr], [0, ""]);
    await ipIn(other.path, "link", "set", "eth0", "group", "0", "netns", "/run/netns/c");
    await ipIn("c", "link", "set", "eth0", "name", "mine");
    const [moved] = JSON.parse(await ipIn("c", "-json", "link", "show", "mine"));
    assertEquals(moved.ifindex === ifindex, false);
  }],
  ["gives it a name and an alias of quotes and control characters", async () => {
    await ipIn("c", "link", "set", "eth0", "down");
    await ipIn("c", "link", "set", "eth0", "name", 'if1\x01"\x1b[', "alias", '\n"}]\x01\\');
  }],
  ["deletes it", () => ipIn("c", "link", "del", "eth0")],
];

for (const [what, disguise] of DISGUISES) {
  Deno.test(`a sandbox that ${what} is disconnected all the same`, () =>
    withSandbox(async (host, driver) => {
      await disguise();
      await driver.disconnect("n", "c");
      assertEquals(await ipvlanLinks("c"), []);
      for (const link of ["x", "eth0"]) await run("ip", "-n", "c", "link", "del", link);
      await assertFree(host);
    }));

  Deno.test(`a sandbox that ${what} is removed, also while its namespace is held`, () =>
    withSandbox(async (host, driver) => {
      await disguise();
      using _held = await Deno.open("/run/netns/c");
      await driver.removeSandbox("c");
      await assertFree(host);
    }));
}

/** Makes a namespace that a link can be moved to. It ends with the stack. */
type MakePlace = (undo: AsyncDisposableStack) => Promise<{ path: string; hide?: Nested["hide"] }>;

const PLACES: [what: string, make: MakePlace][] = [
  ["with a name", async (undo) => {
    assertEquals((await run("ip", "netns", "add", "elsewhere")).code, 0);
    undo.defer(async () => void await run("ip", "netns", "del", "elsewhere"));
    return { path: "/run/netns/elsewhere" };
  }],
  ["of a process", async (undo) => ({ path: undo.use(await nested("c")).path })],
  ["that only an open file keeps", async (undo) => undo.use(await nested("c"))],
  ["of the driver itself", () => Promise.resolve({ path: `/proc/${Deno.pid}/ns/net` })],
];

for (const [what, make] of PLACES) {
  Deno.test(`a link that a sandbox moved to a namespace ${what} is deleted there`, () =>
    withSandbox(async (host, driver) => {
      for (const remove of ["disconnect", "removeSandbox"] as const) {
        await using undo = new AsyncDisposableStack();
        // No name that a sandbox could have.
        assertEquals((await run("ip", "netns", "add", "7")).code, 0);
        undo.defer(async () => void await run("ip", "netns", "del", "7"));
        const { path, hide } = await make(undo);
        await ipIn("c", "link", "set", "eth0", "netns", path);
        await ipIn(path, "link", "set", "eth0", "name", "mine", "group", "0", "up");
        await ipIn(path, "addr", "add", `${IP}/24`, "dev", "mine");
        const [{ ifindex }] = JSON.parse(await ipIn(path, "-json", "link", "show", "mine"));
        // `ip` takes this one for the link that is to be deleted, so the driver deletes it first.
        await ipIn(path, "link", "add", "x", "group", "7", "type", "dummy");
        await ipIn(path, "link", "property", "add", "dev", "x", "altname", nameOfIndex(ifindex));
        undo.defer(async () => {
          await run("nsenter", `--net=${path}`, "ip", "link", "del", "group", "7");
        });
        await hide?.();
        if (remove === "disconnect") {
          await driver.disconnect("n", "c");
          assertEquals(await ipvlanLinks(path), []);
          await driver.connect("n", "c", AT);
        } else {
          await driver.removeSandbox("c");
          assertEquals(await ipvlanLinks(path), []);
        }
      }
      await assertFree(host);
    }));
}

Deno.test("an address on a link that cannot be found is not given out, and the removal says so", () =>
  withSandbox(async (host, driver) => {
    // A path that is not looked at, as a shell would read more than one word.
    const file = await Deno.makeTempFile({ suffix: " x" });
    {
      await using other = await nested("c");
      await ipIn("c", "link", "set", "eth0", "netns", other.path);
      await ipIn(other.path, "addr", "add", `${IP}/24`, "dev", "eth0");
      assertEquals((await run("mount", "--bind", other.path, file)).code, 0);
    }
    try {
      // Only this mount keeps the namespace: no name, no process, and no open file.
      await assertRejectsError(
        () => driver.removeSandbox("c"),
        "link-left",
        'The link of sandbox "c" on network "n" could not be removed: its address 10.20.0.9 is ' +
          'held by a link on "eth0.20" that cannot be found; end what the sandbox has started',
      );
      const { value } = await driver.createSandbox({ name: "d", connections: [{ network: "n" }] });
      assertEquals(value.endpoints[0]!.ip === `${IP}/24`, false);
      await driver.removeSandbox("d");
    } finally {
      await run("umount", file);
      await Deno.remove(file);
    }
    // The kernel deletes what was in the namespace.
    await driver.removeSandbox("c");
    await assertFree(host);
  }));

Deno.test("a link that is moved to and fro all the time is deleted, or the removal says that it is left", () =>
  withSandbox(async (host, driver) => {
    for (let round = 0; round < 4; round++) {
      await using other = await nested("c");
      // A line is printed when the link is away in even rounds, and when it is back in odd ones.
      const [away, back] = round % 2 === 0 ? ["echo moved", ":"] : [":", "echo moved"];
      const script = `while nsenter --net=/run/netns/c ip link set eth0 netns "$0" && ${away} &&
          nsenter --net="$0" ip link set eth0 netns /run/netns/c && ${back}; do :; done`;
      const mover = new Deno.Command("sh", {
        args: ["-c", script, other.path],
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const reader = mover.stdout.getReader();
      const stopped = async () => {
        // If it found no link any more, it has ended.
        if (processes().some(({ pid }) => pid === mover.pid)) mover.kill("SIGKILL");
        // Its last "ip" outlives it. The output ends when that has ended, too.
        while (!(await reader.read()).done);
        await mover.status;
      };
      for (let moves = 0; moves < 2 + round; moves++) await reader.read();
      let left: unknown;
      try {
        await driver.disconnect("n", "c");
      } catch (error) {
        left = error;
      } finally {
        await stopped();
      }
      if (left) {
        assertError(left, "link-left");
        await driver.disconnect("n", "c");
      }
      assertEquals([...await ipvlanLinks("c"), ...await ipvlanLinks(other.path)], []);
      await driver.connect("n", "c", AT);
    }
    await driver.removeSandbox("c");
    await assertFree(host);
  }));

Deno.test("a link of another sandbox is not deleted, even if it has the same index by chance", () =>
  withSandbox(async (host, driver) => {
    await driver.createSandbox({ name: "d", connections: [{ network: "n" }] });
    {
      using db = new DatabaseSync(`${host.stateDir}/ipvlan.db`);
      const rows = db.prepare("SELECT id, sandbox FROM endpoint").all();
      const [c, d] = ["c", "d"].map((name) => rows.find(({ sandbox }) => sandbox === name)!.id);
      // The index comes from the first digits of the id.
      const same = `${String(d).slice(0, 6)}${String(c).slice(6)}`;
      db.prepare("UPDATE endpoint SET id = ? WHERE sandbox = 'c'").run(same);
    }
    await ipIn("c", "link", "del", "eth0");
    {
      // Another name of its namespace, which comes first.
      await using _name = await secondName("d", "another");
      await driver.removeSandbox("c");
      assertEquals(await ipvlanLinks("d"), ["eth0"]);
    }
    await assertFree(host);
  }));

Deno.test("a sandbox is removed whose namespace has lost its name, and lives on", () =>
  withSandbox(async (host, driver) => {
    using held = await Deno.open("/run/netns/c");
    assertEquals((await run("umount", "--lazy", "/run/netns/c")).code, 0);
    await driver.removeSandbox("c");
    assertEquals(await ipvlanLinks(pathOf(held)), []);
    await assertFree(host);
  }));

Deno.test("in a namespace that the driver found, it deletes its own link and no other", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    for (const remove of ["disconnect", "removeSandbox"] as const) {
      assertEquals((await run("ip", "netns", "add", "found")).code, 0);
      try {
        await driver.adoptSandbox({ name: "found", connections: [{ network: "n", ...AT }] });
        const group = String(LINK_GROUP);
        for (const name of ["theirs", "alike"]) {
          await ipIn(
            ...[host.ns.name, "link", "add", "link", "eth0.20", "name", name] as const,
            ...["netns", "found", "type", "ipvlan", "mode", "l2"],
          );
        }
        await ipIn("found", "link", "set", "alike", "group", group);
        await ipIn("found", "link", "set", "eth0", "down");
        await ipIn("found", "link", "set", "eth0", "name", "mine", "group", "0");
        if (remove === "disconnect") await driver.disconnect("n", "found");
        else await driver.removeSandbox("found");
        assertEquals(await ipvlanLinks("found"), ["theirs", "alike"]);
        if (remove === "disconnect") await driver.removeSandbox("found");
      } finally {
        await run("ip", "netns", "del", "found");
      }
    }
  }));

Deno.test("a link that an earlier version made, with an index of the kernel's, is found", () =>
  withSandbox(async (host, driver) => {
    for (const remove of ["disconnect", "removeSandbox"] as const) {
      await ipIn("c", "link", "del", "eth0");
      await ipIn(
        ...[host.ns.name, "link", "add", "link", "eth0.20", "name", "temp", "netns", "c"] as const,
        ...["group", String(LINK_GROUP), "type", "ipvlan", "mode", "l2"],
      );
      await ipIn("c", "link", "set", "temp", "name", "eth0", "up");
      if (remove === "disconnect") {
        await driver.disconnect("n", "c");
        assertEquals(await ipvlanLinks("c"), []);
        await driver.connect("n", "c", AT);
      } else {
        await driver.removeSandbox("c");
      }
    }
    await assertFree(host);
  }));

Deno.test("two endpoints on one parent: only the link of the one to be disconnected goes", () =>
  withSandbox(async (_host, driver) => {
    await driver.createNetwork({ name: "m", parent: "eth0.20", subnets: ["10.21.0.0/24"] });
    await driver.connect("m", "c");
    // They take each other's name.
    for (const [from, to] of [["eth0", "a"], ["eth1", "eth0"], ["a", "eth1"]] as const) {
      await ipIn("c", "link", "set", "dev", from, "down");
      await ipIn("c", "link", "set", "dev", from, "name", to);
    }
    await driver.disconnect("n", "c");
    assertEquals(await ipvlanLinks("c"), ["eth0"]);
    await driver.disconnect("m", "c");
    assertEquals(await ipvlanLinks("c"), []);
  }));
