import { Ip } from "../../lib/iproute2/ip.ts";

/** The link that every endpoint is on: one end of a veth pair, up. */
export const PARENT = "bench0";
/** The subnet that every endpoint is in, large enough for any number of them. */
export const SUBNET = "10.0.0.0/16";
/** The subnet's gateway. */
export const GATEWAY = "10.0.0.1";

const ETC = "/etc/netns";
/** The namespace that is deleted last, and a link that goes with it. */
const [LAST, FENCE] = ["bench-last", "bench1"];

/** A host with nothing on it but a parent, for one measurement. */
export interface World extends AsyncDisposable {
  /** A folder of its own, empty. */
  readonly folder: string;
  /** Runs a shell script to its end. @throws {Error} A line of it failed. */
  script(text: string): Promise<void>;
  /** Sees that every sandbox has been given its network. @throws {Error} One lacks something. */
  verify(sandboxes: readonly string[]): Promise<void>;
}

/**
 * Makes a fresh world. When it goes out of scope everything in it goes too, and that is waited for:
 * the kernel removes a namespace after the command that deleted it has ended, which would otherwise
 * be paid for by the next measurement.
 */
export async function freshWorld(): Promise<World> {
  await using undo = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "ipvlan-bench-" });
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  undo.defer(clear);
  await using ip = await Ip.open();
  await ip.link.add({ type: "veth", name: PARENT, up: true, peer: { name: `${PARENT}p` } });
  await ip.link.set(`${PARENT}p`, { up: true });
  const kept = undo.move();
  return {
    folder,
    script: async (text) => {
      await Deno.writeTextFile(`${folder}/script`, `set -e\n${text}`);
      await run("sh", `${folder}/script`);
    },
    verify,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Runs a program to its end. @throws {Error} Its exit status is not 0. */
export async function run(program: string, ...args: string[]): Promise<void> {
  const command = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  const { success, stderr } = await command.output();
  if (success) return;
  const said = new TextDecoder().decode(stderr).trim();
  throw new Error(`${[program, ...args].join(" ")} failed: ${said}`);
}

async function verify(sandboxes: readonly string[]): Promise<void> {
  await using host = await Ip.open();
  const present = new Set(await host.netns.list());
  const missing = sandboxes.filter((name) => !present.has(name));
  if (missing.length > 0) throw new Error(`No namespace was made for ${missing.join(", ")}`);
  // One of them is looked into: a process for each would take longer than what is measured.
  const last = sandboxes.at(-1)!;
  await using ip = await Ip.open({ netns: last });
  const [addrs, routes] = await Promise.all([ip.addr.show({ dev: "eth0" }), ip.route.show(4)]);
  const hasAddress = addrs.some(({ address, prefixLength }) =>
    address.startsWith("10.0.") && prefixLength === 16
  );
  const hasRoute = routes.some(({ dst, via, dev }) =>
    dst === "default" && via === GATEWAY && dev === "eth0"
  );
  if (!hasAddress || !hasRoute) throw new Error(`The sandbox "${last}" has no address or no route`);
}

/** Takes away whatever was made, and waits until the kernel is through with it. */
async function clear(): Promise<void> {
  {
    await using ip = await Ip.open();
    // With the parent go all links on it, at once.
    const links = await ip.link.show();
    if (links.some(({ name }) => name === PARENT)) await ip.link.del(PARENT);
    const namespaces = await ip.netns.list();
    await Promise.all(namespaces.map((name) => ip.netns.del(name)));
    for (const name of namespaces) {
      await Deno.remove(`${ETC}/${name}`, { recursive: true }).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
    // The kernel takes deleted namespaces in order, and tells of none but by what goes with it:
    // here the other end of a pair.
    await ip.netns.add(LAST);
    await ip.link.add({ type: "veth", name: FENCE, peer: { name: `${FENCE}p`, netns: LAST } });
    await ip.netns.del(LAST);
  }
  // Another session, as `ip` keeps each namespace open that it has named, for as long as it runs.
  await using ip = await Ip.open();
  const deadline = AbortSignal.timeout(120_000);
  while ((await ip.link.show()).some(({ name }) => name === FENCE)) deadline.throwIfAborted();
}
