/**
 * Measures the agent of a host while claims of other hosts come: its time for a change, and how long it
 * does nothing else meanwhile.
 *
 * @module
 */
import type { Store } from "../../lib/driver/store/store.ts";
import type { EtcdAccess } from "../../lib/claims/types.ts";
import { openHost } from "../hosts/host.ts";
import { endpointRecord, network, sandboxRecord } from "../kit/values.ts";

/** How often what another process has done is looked at, in milliseconds. */
const POLL = 50;

/** How many jiffies the kernel counts in a second, on every machine (`USER_HZ`). */
const JIFFIES = 100;

/** An agent in a process and a mount namespace of its own. */
export interface AgentRun {
  /** Waits until its files have a name. */
  untilNamed(name: string): Promise<void>;
  /** How long it has run on a processor, in milliseconds. */
  time(): number;
  /** The longest time since the last call in which it did one thing, in milliseconds. */
  longest(): Promise<number>;
  /** Ends it. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts an agent on a host that has one sandbox on the network `net` with a shared subnet. */
export async function startAgent(access: EtcdAccess, subnet: string): Promise<AgentRun> {
  await using undo = new AsyncDisposableStack();
  const folder = Deno.makeTempDirSync();
  undo.defer(() => Deno.removeSync(folder, { recursive: true }));
  const state = `${folder}/state`;
  {
    using host = openHost("measured", state);
    await host.pools.join(access, subnet, {});
    const subnets = [{ subnet, auxAddresses: {} }];
    const net = network("net", { subnets, ipam: { driver: "etcd", access } });
    putRecords(host.store, net);
  }
  const names = `${folder}/names`;
  const script = new URL("agent_child.ts", import.meta.url).pathname;
  const child = new Deno.Command("unshare", {
    args: [
      Deno.uid() === 0 ? "-m" : "-rm",
      ...["sh", "-ec", 'mount -t tmpfs tmpfs /etc; mount -t tmpfs tmpfs /run; exec "$@"', "agent"],
      ...[Deno.execPath(), "run", "-A", "--no-check", "--cached-only", script, state, names],
    ],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  undo.defer(async () => {
    child.kill("SIGTERM");
    await child.status;
    await lines.cancel();
  });
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const kept = undo.move();
  // What programs in the sandbox see.
  const hosts = `/proc/${child.pid}/root/etc/netns/c1/hosts`;
  return {
    async untilNamed(name) {
      for (const path of [names, hosts]) {
        while (!await hasName(path, name)) {
          await new Promise((resolve) => setTimeout(resolve, POLL));
        }
      }
    },
    time: () => timeOn(child.pid),
    async longest() {
      child.kill("SIGUSR2");
      return Number((await lines.read()).value);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** How long a process has run on a processor, in milliseconds (proc_pid_stat(5)). */
export function timeOn(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / JIFFIES * 1000;
}

function putRecords(store: Store, net: ReturnType<typeof network>): void {
  store.transaction(() => {
    store.putNetwork(net, "ready");
    store.putSandbox(sandboxRecord("c1"), "ready");
    store.putEndpoint(endpointRecord("c1", net), "ready");
  });
}

async function hasName(path: string, name: string): Promise<boolean> {
  try {
    return (await Deno.readTextFile(path)).includes(` ${name} `);
  } catch {
    return false;
  }
}
