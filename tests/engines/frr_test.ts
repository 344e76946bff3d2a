// Tests of FRR in a guest of the lab.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { succeed } from "../kit/processes.ts";
import { ended } from "../kit/processes.ts";
import { type FreshNetns, freshNetns } from "../kit/worlds.ts";

/** The configuration of bgpd, with short times. */
function bgpConfig(as: number, id: string, peer: string, peerAs: number): string {
  return [
    `router bgp ${as}`,
    ` bgp router-id ${id}`,
    " no bgp ebgp-requires-policy",
    ` neighbor ${peer} remote-as ${peerAs}`,
    ` neighbor ${peer} timers 1 3`,
    ` neighbor ${peer} timers connect 1`,
    ` neighbor ${peer} advertisement-interval 0`,
    " address-family ipv4 unicast",
    "  redistribute kernel",
  ].map((line) => `${line}\n`).join("");
}

/** Starts zebra and bgpd in a namespace. They end, and their files go, at the end of the scope. */
async function startFrr(ns: FreshNetns, config: string): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const folders = [`/etc/frr/${ns.name}`, `/run/frr/${ns.name}`];
  for (const folder of folders) {
    await Deno.mkdir(folder);
    undo.defer(() => Deno.remove(folder, { recursive: true }));
  }
  const files = { "zebra.conf": "", "bgpd.conf": config, "vtysh.conf": "" };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folders[0]}/${name}`, text);
  }
  await succeed("chown", "-R", "frr:frr", ...folders);
  for (const daemon of ["zebra", "bgpd"]) {
    // Without -f it reads no configuration. It is in the background when it is ready.
    const options = ["-d", "-N", ns.name, "-f", `${folders[0]}/${daemon}.conf`];
    const { code, stderr } = await ns.run(`/usr/lib/frr/${daemon}`, ...options);
    assertEquals(code, 0, stderr);
    undo.defer(async () => {
      const pid = Number(await Deno.readTextFile(`${folders[1]}/${daemon}.pid`));
      Deno.kill(pid);
      await ended(pid);
    });
  }
  const kept = undo.move();
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Waits until `ip monitor` in a namespace prints a line with a text. */
async function untilRoute(ns: FreshNetns, text: string): Promise<void> {
  const child = new Deno.Command("ip", {
    args: ["-n", ns.name, "monitor", "route"],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let seen = "";
  // The route may have come before the monitor listened.
  const { stdout } = await ns.run("ip", "route");
  if (!stdout.includes(text)) {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      seen += chunk;
      if (seen.includes(text)) break;
    }
  } else await child.stdout.cancel();
  child.kill();
  await child.status;
}

Deno.test("FRR 8.4 announces the kernel's routes from one namespace to another by BGP", async () => {
  await using host = await freshNetns();
  await using tor = await freshNetns();
  const peer = { name: "down0", netns: tor.name };
  await host.ip.link.add({ type: "veth", name: "up0", peer, up: true });
  await tor.ip.link.set("down0", { up: true });
  for (const { ip } of [host, tor]) await ip.link.set("lo", { up: true });
  await host.ip.addr.add({ dev: "up0", address: "172.16.0.2/30" });
  await tor.ip.addr.add({ dev: "down0", address: "172.16.0.1/30" });
  await using _host = await startFrr(host, bgpConfig(65001, "172.16.0.2", "172.16.0.1", 65000));
  await using _tor = await startFrr(tor, bgpConfig(65000, "172.16.0.1", "172.16.0.2", 65001));
  const { code, stderr } = await host.run("ip", "route", "add", "10.20.1.0/24", "dev", "lo");
  assertEquals(code, 0, stderr);
  await untilRoute(tor, "10.20.1.0/24");
  const shown = await succeed("vtysh", "-N", tor.name, "-c", "show bgp ipv4 unicast");
  assertStringIncludes(shown, "10.20.1.0/24");
});
