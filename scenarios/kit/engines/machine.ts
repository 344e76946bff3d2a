/**
 * The machine that engines run on: this namespace, in a guest of the lab. For the scenarios, and
 * for the tests of engines.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { Ip } from "../../../lib/iproute2/ip.ts";
import { quoteAll } from "../../../lab/shell.ts";

/** The router's addresses, by its link. The VLANs are on the same wire. */
const ROUTER_ADDRESSES = {
  trunk: ["192.168.1.1/24", "2001:db8:1::1/64"],
  "trunk.20": ["192.168.20.1/24"],
  "trunk.30": ["192.168.30.1/24"],
  "trunk.114": ["192.168.114.254/24", "192.168.116.254/24"],
};

/** The router's routes via this machine. */
const ROUTES = { "10.1.0.0/16": "192.168.1.250", "2001:db8:10::/48": "2001:db8:1::250" };

/**
 * Makes the guide's wire until the end of the scope: the parent `eth0`, and behind it the router
 * 192.168.1.1 in the namespace `lab-router`, which is also 192.168.20.1 in VLAN 20, 192.168.30.1 in
 * VLAN 30, and the gateway of two subnets in VLAN 114. It has routes to 10.1.0.0/16 and
 * 2001:db8:10::/48 by way of this machine, and does not forward.
 *
 * @param ip `ip` in this namespace.
 */
export async function withRouter(ip: Ip): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const netns = "lab-router";
  await ip.netns.add(netns);
  undo.defer(() => ip.netns.del(netns));
  await using router = await Ip.open({ netns });
  await ip.link.add({ type: "veth", name: "eth0", peer: { name: "trunk", netns }, up: true });
  undo.defer(() => ip.link.del("eth0"));
  await ip.addr.add({ dev: "eth0", address: "192.168.1.250/24" });
  await ip.addr.add({ dev: "eth0", address: "2001:db8:1::250/64", nodad: true });
  await router.link.set("trunk", { up: true });
  for (const [dev, addresses] of Object.entries(ROUTER_ADDRESSES)) {
    const [, vlan] = dev.split(".");
    if (vlan !== undefined) {
      await router.link.add({ type: "vlan", link: "trunk", name: dev, id: Number(vlan), up: true });
    }
    for (const address of addresses) await router.addr.add({ dev, address, nodad: true });
  }
  for (const [dst, via] of Object.entries(ROUTES)) await router.route.add({ dst, via });
  const kept = undo.move();
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** The programs of engines, which must all have ended when everything is removed. */
const PROGRAMS = /^(docker|containerd|runc|crun|conmon|podman|sleep|aardvark)/;

/** The state that engines must restore when they end: links, mounts, running programs. */
export interface MachineState {
  /** The names of the links. */
  links: string[];
  /** The mounts, as proc(5) lists them. */
  mounts: string[];
  /** The running programs of engines. */
  programs: string[];
}

/** Reads the state of this machine. */
export async function machineState(ip: Ip): Promise<MachineState> {
  return {
    links: (await ip.link.show()).map(({ name }) => name),
    mounts: (await Deno.readTextFile("/proc/self/mounts")).split("\n"),
    programs: [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name))
      .flatMap(({ name: pid }) => runningProgram(pid)).filter((name) => PROGRAMS.test(name)),
  };
}

/** The name of a process's program; none if the process has ended. */
function runningProgram(pid: string): string[] {
  try {
    const [, name = "", state] = /\((.*)\) (\S)/s.exec(
      Deno.readTextFileSync(`/proc/${pid}/stat`),
    ) ?? [];
    return state === "Z" ? [] : [name];
  } catch {
    return [];
  }
}

/** The command line that starts the `ipvlan` of this checkout. */
export function ipvlanCommand(): string[] {
  const program = fileURLToPath(new URL("../../../cli.ts", import.meta.url));
  return [Deno.execPath(), "run", "-A", "--no-check", "--cached-only", program];
}

/** Puts the command `ipvlan` of this checkout on PATH until the end of the scope. */
export async function withIpvlan(): Promise<AsyncDisposable> {
  const path = "/usr/local/bin/ipvlan";
  const words = quoteAll(ipvlanCommand());
  await Deno.writeTextFile(path, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return { [Symbol.asyncDispose]: () => Deno.remove(path) };
}
