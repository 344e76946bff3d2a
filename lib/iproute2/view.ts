import { IpvlanError, isIpvlanError } from "../base/errors.ts";
import type { AbortOptions } from "../base/waiting.ts";
import { Ip } from "./ip.ts";
import type { Addr } from "./addr.ts";
import type { Link } from "./link_types.ts";
import type { Neigh } from "./neigh.ts";
import type { Route } from "./route_types.ts";
import type { Rule } from "./rule.ts";
import { runnerIn } from "./netlink_runner.ts";
import { chooseTransport, type Libc } from "../netlink/libc.ts";
import { type RunProgram, Shell } from "./shell.ts";
import { readSysctls } from "./sysctl.ts";
import { fileOf, fromNetnsFolder } from "./words.ts";

/**
 * The view: this machine's network namespaces as the kernel shows them. It is plain data, so it can be
 * written as JSON and read again.
 *
 * It is not a snapshot. It reads one namespace after another, and in each the links, then the
 * addresses, then the routes. A change in between can appear in one part and not in another.
 *
 * @typeParam N The parts read of each namespace: {@linkcode Seen}.
 */
export interface View<N = NamespaceView> {
  /** The caller's own namespace, whatever its name. */
  host: N;
  /** The other namespaces that have a name (ip-netns(8)), by name. */
  others: N[];
  /** The names in `/run/netns` that could not be looked into, and why. */
  closed: ClosedNamespace[];
}

/** A name in `/run/netns` that could not be looked into. */
export interface ClosedNamespace {
  /** The name. */
  netns: string;
  /** Why not, in a sentence without a final period. */
  reason: string;
}

/** The contents of one network namespace. */
export interface NamespaceView {
  /** Its name under `/run/netns`; `undefined` for the caller's own. */
  netns?: string;
  /** Its links. */
  links: Link[];
  /** Its addresses of both families. */
  addrs: Addr[];
  /** Its routes of both families: those of the main tables, or of all. */
  routes: Route[];
  /** Its routing rules of both families. */
  rules: Rule[];
  /** Its neighbours of both families, and then those that it answers for as their proxy. */
  neighs: Neigh[];
  /**
   * Its settings of forwarding, source checks, ARP and IPv6, by their paths under `/proc/sys`:
   * `{ "net/ipv4/conf/eth0/rp_filter": 2 }`. Those that the kernel lacks are left out.
   */
  sysctls: Record<string, number>;
}

/** The parts of a {@linkcode NamespaceView} to read; the routes of the main tables, or of all. */
export type Wanted =
  & { [Part in "links" | "addrs" | "rules" | "neighs" | "sysctls"]?: true }
  & { routes?: "main" | "all" };

/** The parts of a namespace that were asked for. */
export type Seen<W extends Wanted> = Pick<
  NamespaceView,
  "netns" | (keyof W & keyof NamespaceView)
>;

/** A namespace to look into; without a name, the caller's own. */
type Place = { netns?: string; ip: Ip; run?: RunProgram; netlink?: Libc };

/** Looks into one namespace, in one burst. Fails as {@linkcode lookInto} does. */
export async function look<W extends Wanted>(
  { netns, ip, run, netlink }: Place,
  wanted: W,
): Promise<Seen<W>> {
  const { links, addrs, routes: table, rules, neighs, sysctls } = wanted;
  const looks: { [Part in keyof Wanted]: Promise<NamespaceView[Part]> } = {
    ...(links && { links: ip.link.show() }),
    ...(addrs && { addrs: ip.addr.show() }),
    ...(table && { routes: all([ip.route.show(4, { table }), ip.route.show(6, { table })]) }),
    ...(rules && { rules: ip.rule.show() }),
    ...(neighs && { neighs: all([ip.neigh.show(), ip.neigh.show({ proxy: true })]) }),
    ...(sysctls && run && { sysctls: readSysctls(run, netlink, netns) }),
  };
  const parts = await Promise.all(
    Object.entries(looks).map(async ([part, found]) => [part, await found] as const),
  );
  return { ...(netns !== undefined && { netns }), ...Object.fromEntries(parts) } as Seen<W>;
}

async function all<T>(parts: readonly Promise<T[]>[]): Promise<T[]> {
  return (await Promise.all(parts)).flat();
}

/**
 * Looks at some links, of which the first with its addresses, and at all ipvlan links. It asks the
 * kernel for no others, so it takes the same time whether a machine has ten links or ten thousand. A
 * link that does not exist is left out.
 */
export async function lookAtLinks(
  ip: Ip,
  names: readonly string[],
): Promise<Pick<NamespaceView, "links" | "addrs">> {
  const [first, ...others] = names;
  const [shown, ipvlan, ...links] = await Promise.all([
    // Before the others: `ip` shows no addresses once it has shown a link.
    first === undefined ? undefined : ip.addr.showLink(first),
    ip.link.show({ type: "ipvlan" }),
    ...others.map((name) => ip.link.find(name)),
  ]);
  const found = [shown?.link, ...links].filter((link) => link !== undefined);
  const isNew = ({ name }: Link) => !names.includes(name);
  return { links: [...found, ...ipvlan.filter(isNew)], addrs: shown?.addrs ?? [] };
}

/**
 * Looks into one namespace.
 *
 * @param netns Its name; `undefined` for the caller's own.
 * @throws {"namespace-not-found"} There is no such namespace.
 * @throws {"ip-command"} It could not be entered.
 * @throws {"program-not-found"} iproute2 is not installed.
 *
 * @example
 * ```ts
 * import { lookInto } from "@ipvlan/kit/ip";
 *
 * const { routes } = await lookInto("c1", { routes: "main" });
 * const hasWayOut = routes.some(({ dst }) => dst === "default");
 * ```
 */
export async function lookInto<W extends Wanted>(
  netns: string | undefined,
  wanted: W,
  { signal }: AbortOptions = {},
): Promise<Seen<W>> {
  await using places = new Places(signal);
  return await look(places.at(netns), wanted);
}

/**
 * The most shells that start `ip` at once. More than there are CPUs, because processes also wait: on 2
 * CPUs, a look into 300 namespaces took half as long with 4 as with 1, and no less with 8.
 */
const MAX_SHELLS = 4;

/** The number of namespaces for which one more shell is worth its start. */
const NAMESPACES_PER_SHELL = 16;

/** The options of {@linkcode lookAround}. */
export interface LookOptions extends AbortOptions {
  /**
   * The files of namespaces without a name: `/proc/806/ns/net`. In the view, the name of such a
   * namespace is the path of its file from `/run/netns`, as `ip -n` takes it. Missing files are
   * left out.
   */
  files?: readonly string[];
}

/**
 * Looks into the caller's own namespace and all named ones, in parallel. Namespaces deleted meanwhile
 * are left out. Without rights, this shows only the caller's own, and the others are
 * {@linkcode View.closed}.
 *
 * @throws {"program-not-found"} iproute2 is not installed.
 * @throws {"session-closed"} `ip` ended early; the message says why.
 *
 * @example
 * ```ts
 * import { lookAround } from "@ipvlan/kit/ip";
 *
 * const { others } = await lookAround({ addrs: true });
 * const names = others.filter(({ addrs }) => addrs.some(({ family }) => family === 6))
 *   .map(({ netns }) => netns);
 * ```
 */
export async function lookAround<W extends Wanted>(
  wanted: W,
  { signal, files = [] }: LookOptions = {},
): Promise<View<Seen<W>>> {
  await using places = new Places(signal);
  const place = places.at(undefined);
  const [host, names] = await Promise.all([look(place, wanted), place.ip.netns.list()]);
  const own = inodeOf("/proc/self/ns/net");
  const withInode = (netns: string) => ({ netns, inode: inodeOf(fileOf(netns)) });
  const named = names.map(withInode);
  const known = new Set(named.map(({ inode }) => inode));
  const nameless = files.map((file) => withInode(fromNetnsFolder(file)))
    .filter(({ inode }) => inode !== undefined && !known.has(inode));
  const others = [...named, ...nameless].filter(({ inode }) => own === undefined || inode !== own)
    .map(({ netns }) => netns).sort();
  const count = Math.min(MAX_SHELLS, Math.ceil(others.length / NAMESPACES_PER_SHELL));
  const outcomes = await Promise.all(
    others.map((netns, index) => tryToLook(netns, () => places.at(netns, index % count), wanted)),
  );
  // An IpvlanError as the reason would look like a closed namespace.
  signal?.throwIfAborted();
  return {
    host,
    others: outcomes.flatMap(({ seen }) => seen ?? []),
    closed: outcomes.flatMap(({ closed }) => closed ?? []),
  };
}

/** Looks into a namespace, or returns why not. Both are `undefined` if it was deleted. */
async function tryToLook<W extends Wanted>(
  netns: string,
  place: () => Place,
  wanted: W,
): Promise<{ seen?: Seen<W>; closed?: ClosedNamespace }> {
  try {
    return { seen: await look(place(), wanted) };
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    const isGone = isIpvlanError(error, "namespace-not-found") || isMissing(fileOf(netns));
    return isGone ? {} : { closed: { netns, reason: error.message } };
  }
}

/** The namespaces of one look: by netlink if it may be used, and with shells that start when needed. */
class Places implements AsyncDisposable {
  readonly #netlink = chooseTransport().libc;
  readonly #shells: (Shell | undefined)[] = [];

  constructor(private readonly signal: AbortSignal | undefined) {}

  /**
   * A namespace, by its name; the caller's own without one.
   *
   * @param shell The number of the shell that starts its programs.
   * @throws {"invalid-word"} The name is not a namespace's.
   */
  at(netns: string | undefined, shell = 0): Place {
    const signal = this.signal;
    const netlink = this.#netlink;
    const run: RunProgram = (command, input) =>
      (this.#shells[shell] ??= new Shell({ signal })).run(command, input);
    const ip = new Ip(runnerIn({ netlink, netns, force: false, signal, run }));
    return { netns, ip, run, netlink };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#shells.map((shell) => shell?.[Symbol.asyncDispose]()));
  }
}

/** The inode of a file; `undefined` also where this program has no right to look. */
function inodeOf(path: string): number | undefined {
  try {
    return Deno.statSync(path).ino ?? undefined;
  } catch {
    return undefined;
  }
}

function isMissing(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}
