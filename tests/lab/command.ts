import { main } from "../../lib/cli/main.ts";
import { Driver } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";

/** What a command left: its exit status and what it printed. */
export interface Said {
  /** The exit status. */
  status: number;
  /** What it printed on standard output, without the last newline. */
  out: string;
  /** What it printed on standard error, without the last newline. */
  err: string;
}

/**
 * Runs `ipvlan` in this process, as a process of its own takes its time to start in the lab. What a
 * command that it runs prints itself is not seen here.
 */
export async function ipvlan(...words: string[]): Promise<Said> {
  const { log, error } = console;
  const out: string[] = [];
  const err: string[] = [];
  console.log = (line) => out.push(line);
  console.error = (line) => err.push(line);
  try {
    const status = await main(words);
    return { status, out: out.join("\n"), err: err.join("\n") };
  } finally {
    Object.assign(console, { log, error });
  }
}

/** This machine as a container host, for one test: a parent, and a store of its own. */
export interface TestHost extends AsyncDisposable {
  /** `ip` in the host's namespace, which is the caller's. */
  ip: Ip;
  /** What there is in the kernel and in the store, to be compared. */
  dump(): Promise<unknown>;
}

/** Makes a parent `eth0`, up, in the caller's namespace, and points the command at a new store. */
export async function testHost(): Promise<TestHost> {
  await using undo = new AsyncDisposableStack();
  const ip = undo.use(await Ip.open());
  await ip.link.add({ type: "veth", name: "eth0", up: true, peer: { name: "eth0-peer" } });
  undo.defer(() => ip.link.del("eth0"));
  await ip.link.set("eth0-peer", { up: true });
  const folder = await Deno.makeTempDir();
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  Deno.env.set("IPVLAN_STATE_DIR", folder);
  undo.defer(() => Deno.env.delete("IPVLAN_STATE_DIR"));
  const kept = undo.move();
  return {
    ip,
    dump: async () => ({
      links: (await ip.link.show()).map(({ name, flags, mtu, alias, group, info }) => ({
        ...{ name, flags, mtu, alias, group, info },
      })),
      namespaces: (await ip.netns.list()).sort(),
      ...await recorded(),
    }),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function recorded(): Promise<Record<string, unknown>> {
  await using driver = await Driver.open();
  return { networks: driver.listNetworks(), sandboxes: driver.listSandboxes() };
}
