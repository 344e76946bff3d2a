// The command line of pools that hosts share, in a guest of the lab with etcd.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { Link } from "../hosts/proxy.ts";
import { ipvlan, Job, succeeds } from "../kit/command.ts";
import { inEnv, succeed } from "../kit/processes.ts";
import { temporaryFolder } from "../kit/worlds.ts";
import { ENDPOINT, startEtcd } from "./etcd.ts";

const CREATE = ["network", "create", "--ipam-driver", "etcd", "-o", "parent=eth0.20"];
const SHARED20 = ["--subnet=192.168.20.0/24", "shared20"];
const OPTION = ["--ipam-opt", `endpoints=${ENDPOINT},prefix=/test`];

/** Runs a test with etcd and the link `eth0`. */
async function withEtcd(test: () => Promise<void>): Promise<void> {
  await using undo = new AsyncDisposableStack();
  const data = undo.use(await temporaryFolder());
  undo.use(await startEtcd(data.path));
  const ip = undo.use(await Ip.open());
  await ip.link.add({ type: "dummy", name: "eth0", up: true });
  undo.defer(() => ip.link.del("eth0"));
  await test();
}

/** Runs a test on a host: with a state folder of its own. What it has made is removed. */
async function onHost(folder: string, test: () => Promise<void>): Promise<void> {
  using _state = inEnv("IPVLAN_STATE_DIR", folder);
  try {
    await test();
  } finally {
    await ipvlan("rm", ...(await succeeds("ps", "-q")).split("\n").filter(Boolean));
    await ipvlan("network", "prune", "--force");
  }
}

Deno.test("the lines of the README make a shared network, which inspect and ls show", () =>
  withEtcd(async () => {
    await using state = await temporaryFolder();
    await onHost(state.path, async () => {
      assertEquals(
        await succeeds("host", "ls"),
        "HOST ID   NAME   AGENT   ADDRESSES   KEPT   COPIES   PREFIX",
      );
      await succeeds(...CREATE, ...OPTION, "--subnet=192.168.20.0/24", "shared20");
      await succeeds("run", "-d", "--net=shared20", "--name=web");
      assertStringIncludes(await succeeds("network", "ls"), "SUBNETS           IPAM");
      const shown = await succeeds("network", "inspect", "-f", "{{json .IPAM}}", "shared20");
      const { Driver, Options } = JSON.parse(shown);
      assertEquals([Driver, Options], ["etcd", { endpoints: ENDPOINT, prefix: "/test" }]);
      const [host] = (await succeeds("host", "ls", "--json")).split("\n").map((line) =>
        JSON.parse(line)
      );
      assertEquals([host.Agent, host.Addresses, host.Prefix], ["silent", 1, "/test"]);
      // What somebody else writes there is named, and keeps nothing else from working.
      const junk = "/test/claims/192.168.20.0-24/c0a81407";
      await succeed("etcdctl", "put", junk, "junk");
      const named = `ipvlan: The key "${junk}" in etcd is damaged: put back a backup, or delete it`;
      assertEquals((await ipvlan("host", "ls")).err, named);
      assertEquals((await ipvlan("run", "-d", "--net=shared20", "--name=db")).err, named);
      assertEquals((await ipvlan("restore")).err, named);
      await succeed("etcdctl", "del", junk);
      assertEquals((await ipvlan("restore")).err, "");
      const { err, status } = await ipvlan("host", "rm", "nobody");
      assertEquals([status, err.split("\n")[0]], [
        2,
        "ipvlan: Not a terminal, so cannot ask: use --yes",
      ]);
      const own = await ipvlan("host", "rm", "--yes", host.ID);
      assertEquals([own.status, own.err], [
        1,
        "ipvlan: A host does not remove itself: remove its networks, or run this on another host",
      ]);
    });
  }));

Deno.test("a host that is gone is removed from another one, and says so when it comes back", () =>
  withEtcd(async () => {
    await using gone = await temporaryFolder();
    await using other = await temporaryFolder();
    const create = (parent: string) =>
      succeeds(...CREATE.slice(0, -1), `parent=${parent}`, ...OPTION, ...SHARED20);
    await onHost(gone.path, async () => {
      await create("eth0.20");
      await succeeds("run", "-d", "--net=shared20", "--ip=192.168.20.77", "--name=web");
      const [id] = (await succeeds("host", "ls", "-q")).split("\n");
      using _state = inEnv("IPVLAN_STATE_DIR", other.path);
      // From a host that has no network of this kind.
      const name = Deno.hostname();
      const refused = await ipvlan("host", "rm", "--yes", ...OPTION, id!);
      assertEquals([refused.status, refused.out], [1, ""]);
      assertStringIncludes(refused.err, `ipvlan: The host "${name}" holds addresses and `);
      assertStringIncludes(refused.err, "use --force only if it is switched off for good");
      const removed = await succeeds("host", "rm", "--yes", "--force", ...OPTION, id!);
      assertStringIncludes(removed, "1 address(es) are free");
      await onHost(other.path, async () => {
        await create("eth0.30");
        // The other one reboots.
        await succeed("ip", "netns", "del", "web");
        const take = ["run", "-d", "--net=shared20", "--ip=192.168.20.77", "--name=taker"];
        assertEquals(await succeeds(...take), "taker");

        Deno.env.set("IPVLAN_STATE_DIR", gone.path);
        assertStringIncludes((await ipvlan("doctor")).out, "This host is not in etcd under /test");
        const late = await ipvlan("run", "-d", "--net=shared20", "--name=late");
        assertEquals([late.status, late.out], [125, ""]);
        assertStringIncludes(late.err, "This host is not in etcd under /test any more");
        assertEquals(await succeeds("ps", "-a", "--format={{.Names}}"), "web");
        const { status, out, err } = await ipvlan("restore");
        assertEquals([status, out], [1, "1 network(s) and 0 sandbox(es) are there"]);
        assertStringIncludes(err, "has registered anew");
        assertStringIncludes(
          err,
          'The sandbox "web" could not be restored: It is not connected to shared20: The address ' +
            `192.168.20.77 is held by the host "${name}"`,
        );
        const has = `The host "${name}" has the address 192.168.20.77 of "web", and the link`;
        assertStringIncludes((await ipvlan("doctor")).out, has);
        assertEquals((await succeeds("host", "ls", "-q")).split("\n").length, 2);
        await succeeds("rm", "web");
        assertEquals((await ipvlan("restore")).status, 0);
        Deno.env.set("IPVLAN_STATE_DIR", other.path);
        assertEquals(await succeeds("ps", "--format={{.Names}}"), "taker");
        const held = await succeeds("host", "ls", "--format={{.Addresses}}");
        assertEquals(held.split("\n").sort(), ["0", "1"]);
      });
      Deno.env.set("IPVLAN_STATE_DIR", gone.path);
    });
  }));

Deno.test("what differs, and a password in an argument, are refused in one line each", () =>
  withEtcd(async () => {
    await using one = await temporaryFolder();
    await using two = await temporaryFolder();
    await onHost(one.path, async () => {
      await succeeds(...CREATE, ...OPTION, "--subnet=192.168.20.0/24", "shared20");
      await onHost(two.path, async () => {
        const different = ["--subnet=192.168.30.0/24", "-o", "ipvlan_mode=l3", "shared20"];
        const { status, err } = await ipvlan(...CREATE, ...OPTION, ...different);
        assertEquals([status, err], [
          1,
          'ipvlan: The network "shared20" differs from that of other hosts (the ipvlan mode is l3 here and ' +
          "l2 there; the subnet is 192.168.30.0/24 here and 192.168.20.0/24 there): leave these " +
          "settings out, or use another name",
        ]);
        const secret = await ipvlan(...CREATE, "--ipam-opt", "password=Secret7", "shared20");
        assert(secret.status !== 0 && !secret.err.includes("Secret7"), secret.err);
      });
    });
  }));

Deno.test("an agent ends on a signal with status 0, and only one runs on a state folder", () =>
  withEtcd(async () => {
    await using state = await temporaryFolder();
    await onHost(state.path, async () => {
      await succeeds(...CREATE, ...OPTION, "--subnet=192.168.20.0/24", "shared20");
      await using job = new Job(["agent"], { env: { IPVLAN_STATE_DIR: state.path } });
      const agentOf = async () =>
        JSON.parse((await succeeds("host", "ls", "--json")).split("\n")[0]!).Agent;
      for (let tries = 0; tries < 200 && await agentOf() !== "running"; tries++);
      assertEquals(await agentOf(), "running");
      assertEquals(
        (await ipvlan("agent")).err,
        "ipvlan: An agent runs on this state folder already: end " +
          "that one first",
      );
      job.kill("SIGTERM");
      const { status, out, err } = await job.ended;
      assertEquals([status, out, err], [0, `Following /test in etcd at ${ENDPOINT}`, ""]);
      assertEquals(await agentOf(), "silent");
    });
  }));

Deno.test("whoever waits for etcd says so, and an agent says what it does", () =>
  withEtcd(async () => {
    await using state = await temporaryFolder();
    await using link = new Link(Number(new URL(ENDPOINT).port));
    const env = { IPVLAN_STATE_DIR: state.path };
    await onHost(state.path, async () => {
      const idle = new Job(["agent"], { env });
      await idle.printed(/has its addresses in etcd yet: waiting for one$/m);
      idle.kill("SIGTERM");
      assertEquals((await idle.ended).status, 0);

      const option = `endpoints=${link.endpoint},prefix=/test`;
      await succeeds(...CREATE, "--ipam-opt", option, "--subnet=192.168.20.0/24", "shared20");
      link.trouble = { kind: "partition" };
      await using job = new Job(["host", "ls", "-q"], { env });
      await job.line(new RegExp(`^ipvlan: Waiting for etcd at ${link.endpoint}$`));
      link.trouble = { kind: "none" };
      assertEquals((await job.ended).status, 0);
    });
  }));

Deno.test("a shell completes the names of hosts, and none if etcd does not answer", () =>
  withEtcd(async () => {
    await using state = await temporaryFolder();
    await using link = new Link(Number(new URL(ENDPOINT).port));
    await onHost(state.path, async () => {
      const through = ["--ipam-opt", `endpoints=${link.endpoint},prefix=/test`];
      await succeeds(...CREATE, ...through, "--subnet=192.168.20.0/24", "shared20");
      const complete = ["completion", "--complete", "--", "host", "rm", ""];
      assertEquals(await succeeds(...complete), Deno.hostname());
      link.trouble = { kind: "partition" };
      // The shell drops what a completion says of its wait.
      const { status, out } = await ipvlan(...complete);
      assertEquals([status, out], [0, ""]);
      link.trouble = { kind: "none" };
    });
  }));

Deno.test("a signal ends every wait for an etcd that never answers, and nothing is half done", () =>
  withEtcd(async () => {
    await using state = await temporaryFolder();
    await using link = new Link(Number(new URL(ENDPOINT).port));
    const through = ["--ipam-opt", `endpoints=${link.endpoint},prefix=/test`];
    /** Runs a command, and sends it a signal when it has sent its first request. */
    const interrupted = async (signal: Deno.Signal, ...words: string[]) => {
      link.trouble = { kind: "partition" };
      await using job = new Job(words, { env: { IPVLAN_STATE_DIR: state.path } });
      await Promise.race([link.untilHit(), job.ended]);
      job.kill(signal);
      const { status, err } = await job.ended;
      link.trouble = { kind: "none" };
      // On a busy machine, more than a second may pass.
      return [status, err.replace(/^ipvlan: Waiting for etcd at .*\n?/m, "")];
    };
    const ended = "ipvlan: It was interrupted";
    await onHost(state.path, async () => {
      const create = [...CREATE, ...through, "--subnet=192.168.20.0/24", "shared20"];
      assertEquals(await interrupted("SIGINT", ...create), [130, ended]);
      assertEquals(await succeeds("network", "ls", "-q"), "");
      await succeeds(...create);

      await succeeds("run", "-d", "--net=shared20", "--ip=192.168.20.200", "--name=web");
      const far = ["run", "-d", "--net=shared20", "--ip=192.168.20.77", "--name=far"];
      assertEquals(await interrupted("SIGTERM", ...far), [143, ended]);
      // It is made with an address of the host's block, and removed again.
      await succeeds("run", "-d", "--net=shared20", "--name=db");
      const [status] = await interrupted("SIGINT", "run", "-d", "--net=shared20", "--name=near");
      assertEquals(status, 130);
      assertEquals(await interrupted("SIGINT", "restore"), [130, ended]);
      assertEquals(await interrupted("SIGTERM", "host", "ls"), [143, ended]);
      assertEquals(await interrupted("SIGINT", "host", "rm", "--yes", "rack3"), [130, ended]);
      assertEquals(await interrupted("SIGTERM", "agent"), [0, ""]);
      assertEquals((await succeeds("ps", "--format={{.Names}}")).split("\n").sort(), ["db", "web"]);

      const { err } = await ipvlan("restore");
      assertEquals(err, "");
      const [host] = (await succeeds("host", "ls", "--json")).split("\n");
      assertEquals(JSON.parse(host!).Addresses, 2);
    });
  }));

Deno.test("a network that is cut short when etcd is lost is shown as half made, until it is removed", () =>
  withEtcd(async () => {
    await using state = await temporaryFolder();
    await using link = new Link(Number(new URL(ENDPOINT).port));
    const through = ["--ipam-opt", `endpoints=${link.endpoint},prefix=/test`];
    const create = [...CREATE, ...through, "--subnet=192.168.20.0/24", "shared20"];
    await onHost(state.path, async () => {
      // Its settings are read, and then etcd does not get what is written: first the host's own key.
      link.trouble = { kind: "late", milliseconds: 600_000, only: btoa("/test/hosts/") };
      await using job = new Job(create, { env: { IPVLAN_STATE_DIR: state.path } });
      await Promise.race([link.untilHit(), job.ended]);
      link.trouble = { kind: "partition" };
      job.kill("SIGINT");
      const { status, err } = await job.ended;
      assertEquals([status, err.split("\n").at(-1)], [130, "ipvlan: It was interrupted"]);

      const half =
        'ipvlan: The network "shared20" is being made or removed: wait, or run ipvlan restore if a ' +
        "command was killed";
      assertEquals(await succeeds("network", "ls", "-q"), "");
      // These say first that they wait for etcd, as what is half made is removed if that answers.
      for (const what of ["inspect", "rm"]) {
        const { err } = await ipvlan("network", what, "shared20");
        assertEquals(err.split("\n").at(-1), half);
      }
      const isHalf = 'was killed: half done is network "shared20"';
      assertStringIncludes((await ipvlan("doctor")).out, isHalf);
      const why =
        'The network "shared20" could not be restored: It was left half made: etcd is out';
      assertStringIncludes((await ipvlan("restore")).err, why);
      // It is in no other network's way.
      const other = ["-o", "parent=eth0.30", "--subnet=192.168.30.0/24", "other30"];
      assertEquals((await ipvlan("network", "create", ...other)).status, 0);

      link.trouble = { kind: "none" };
      // The next call that changes a network removes it.
      await succeeds("network", "rm", "other30");
      const { out } = await ipvlan("doctor");
      assertEquals([out.includes("half done"), out.includes("etcd /test")], [false, false], out);
      assertStringIncludes((await ipvlan("network", "inspect", "shared20")).err, "not found");
      await succeeds(...create);
    });
  }));
