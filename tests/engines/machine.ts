// The machine that an engine runs on, for the tests of all engines.
import type { Ip } from "../../lib/iproute2/ip.ts";
import { processes } from "../kit/processes.ts";
import { freshNetns } from "../kit/worlds.ts";

/**
 * Makes the guide's machine until the end of the scope: the parent `eth0`, and behind it the router
 * 192.168.1.1.
 *
 * @param ip `ip` in the machine's namespace.
 */
export async function withRouter(ip: Ip): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const router = undo.use(await freshNetns());
  const peer = { name: "peer0", netns: router.name };
  await ip.link.add({ type: "veth", name: "eth0", peer, up: true });
  undo.defer(() => ip.link.del("eth0"));
  await ip.addr.add({ dev: "eth0", address: "192.168.1.250/24" });
  await router.ip.link.set("peer0", { up: true });
  await router.ip.addr.add({ dev: "peer0", address: "192.168.1.1/24" });
  const kept = undo.move();
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** The programs of engines, which may not run after a test. */
const PROGRAMS = /^(docker|containerd|runc|crun|conmon|podman|sleep|aardvark)/;

/** What an engine must not change for longer than it runs: links, mounts, programs that run. */
export async function state(ip: Ip): Promise<unknown> {
  return {
    links: (await ip.link.show()).map(({ name }) => name),
    mounts: (await Deno.readTextFile("/proc/self/mounts")).split("\n"),
    programs: processes().map(({ name }) => name).filter((name) => PROGRAMS.test(name)),
  };
}
