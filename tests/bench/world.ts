import { Ip } from "../../lib/iproute2/ip.ts";

/** The parent of every endpoint: one end of a veth pair, up. */
export const PARENT = "bench0";
/** The subnet of every endpoint, large enough for all of them. */
export const SUBNET = "10.0.0.0/16";
/** The subnet's gateway. */
export const GATEWAY = "10.0.0.1";

const ETC = "/etc/netns";
/** The namespace that is deleted last, and a link that the kernel deletes with it. */
const [LAST, FENCE] = ["bench-last", "bench1"];

/** A host with only a parent, for one measurement. */
export interface World extends AsyncDisposable {
  /** An empty folder for the measurement. */
  readonly folder: string;
  /** Runs a shell script, and waits until it ends. @throws {Error} if a line fails. */
  script(text: string): Promise<void>;
  /** Checks that the sandboxes have their network. @throws {Error} if something is missing. */
  verify(sandboxes: readonly string[]): Promise<void>;
}

/**
 * Makes a fresh world. When it goes out of scope, everything in it is removed. It waits for the
 * kernel, which removes a namespace some time after the command that deleted it. Otherwise the next
 * measurement would include that time.
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

/** Runs a program, and waits until it ends. @throws {Error} if its exit status is not 0. */
export async function run(program: string, ...args: string[]): Promise<void> {
  const command = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  const { success, stderr } = await command.output();
  if (success) return;
  const message = new TextDecoder().decode(stderr).trim();
  throw new Error(`${[program, ...args].join(" ")} failed: ${message}`);
}

async function verify(sandboxes: readonly string[]): Promise<void> {
  await using host = await Ip.open();
  const present = new Set(await host.netns.list());
  const missing = sandboxes.filter((name) => !present.has(name));
  if (missing.length > 0) throw new Error(`No namespace was made for ${missing.join(", ")}`);
  // Check only the last one: a process for each would take longer than the measured work.
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

/** Removes everything, and waits until the kernel has removed it. */
async function clear(): Promise<void> {
  {
    await using ip = await Ip.open();
    // Deleting the parent deletes all links on it at once.
    const links = await ip.link.show();
    if (links.some(({ name }) => name === PARENT)) await ip.link.del(PARENT);
    const namespaces = await ip.netns.list();
    await Promise.all(namespaces.map((name) => ip.netns.del(name)));
    for (const name of namespaces) {
      await Deno.remove(`${ETC}/${name}`, { recursive: true }).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
  }
  await removalsDone();
}

/** Waits until the kernel has removed the links of all deleted namespaces. */
export async function removalsDone(): Promise<void> {
  {
    // The kernel removes deleted namespaces in order, and gives no notice. So we delete one more
    // namespace, with one end of a pair, and wait until the other end disappears.
    await using ip = await Ip.open();
    await ip.netns.add(LAST);
    await ip.link.add({ type: "veth", name: FENCE, peer: { name: `${FENCE}p`, netns: LAST } });
    await ip.netns.del(LAST);
  }
  // Use another session: `ip` keeps every namespace open that it has named, as long as it runs.
  await using ip = await Ip.open();
  const deadline = AbortSignal.timeout(120_000);
  while ((await ip.link.show()).some(({ name }) => name === FENCE)) deadline.throwIfAborted();
}
