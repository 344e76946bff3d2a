import { IpvlanError } from "../errors.ts";
import type { Addr } from "../iproute2/addr.ts";
import { Ip } from "../iproute2/ip.ts";
import { type Link, parseLink } from "../iproute2/link.ts";
import { ProcessPerBurst } from "../iproute2/process_per_burst.ts";
import type { Route } from "../iproute2/route.ts";
import { Session } from "../iproute2/session.ts";
import { Shell } from "../iproute2/shell.ts";

/** A link, and where the link below it is. */
export interface SeenLink extends Link {
  /**
   * Of an ipvlan link, its parent's name, if that is in the caller's namespace, wherever the link
   * itself is.
   */
  parent?: string;
}

/** What one network namespace shows. */
export interface View {
  /** The namespace's name; `undefined` for the caller's own. */
  netns?: string;
  /** Its links. */
  links: SeenLink[];
  /** Its addresses. */
  addrs: Addr[];
  /** Its routes of both families, of the main table. */
  routes: Route[];
}

/** What the kernel shows of the host and of the named namespaces on it. */
export interface Views {
  /** The caller's own namespace. */
  host: View;
  /** The other named ones that could be looked into, by name. */
  others: View[];
  /** Those that could not, and why. */
  closed: { netns: string; reason: string }[];
}

/** What a session said, before the namespaces are compared. */
interface Answers {
  rows: Record<string, unknown>[];
  addrs: Addr[];
  routes: Route[];
}

/**
 * Looks into the caller's namespace and all named ones. Without rights, only the caller's own can
 * be looked into.
 *
 * @throws {ProgramNotFoundError} iproute2 is not installed.
 * @throws {SessionClosedError} `ip` ended early; the message says why.
 */
export async function gatherViews(): Promise<Views> {
  await using ip = await Ip.open();
  const own = await inode("/proc/self/ns/net");
  const [host, names] = await Promise.all([ask(ip), ip.netns.list()]);
  const inodes = await Promise.all(names.map((name) => inode(`/run/netns/${name}`)));
  const ownNames = names.filter((_, index) => own !== undefined && inodes[index] === own);
  const views: Views = { host: toView(undefined, host, host), others: [], closed: [] };
  const others = names.filter((name) => !ownNames.includes(name)).sort();
  await using shell = new Shell();
  for (const netns of others) {
    try {
      const transport = new ProcessPerBurst({ program: "ip", netns, force: false }, shell.run);
      const inside = new Ip(new Session(transport));
      views.others.push(toView(netns, await ask(inside), host));
    } catch (error) {
      // It may be gone by now, or be closed to this caller; the others are not less true for it.
      if (!(error instanceof IpvlanError)) throw error;
      views.closed.push({ netns, reason: error.message });
    }
  }
  return views;
}

async function ask(ip: Ip): Promise<Answers> {
  const [rows, addrs, routes, routes6] = await Promise.all([
    ip.session.query("link show"),
    ip.addr.show(),
    ip.route.show(4),
    ip.route.show(6),
  ]);
  return { rows, addrs, routes: [...routes, ...routes6] };
}

function toView(netns: string | undefined, { rows, addrs, routes }: Answers, host: Answers): View {
  const links = rows.map((row): SeenLink => {
    const link = parseLink(row);
    if (link.info.type !== "ipvlan") return link;
    // `ip` prints a name for what is in the same namespace, and a number for what is not.
    if (link.link !== undefined) {
      return netns === undefined ? { ...link, parent: link.link } : link;
    }
    // The number alone could be that of a link in a third namespace. But an ipvlan link has its
    // parent's MAC address, and to have the kernel name the namespace takes far longer than this.
    const parent = host.rows.find(({ ifindex, address }) =>
      ifindex === row.link_index && address === link.address
    );
    return { ...link, ...(parent && { parent: parent.ifname as string }) };
  });
  return { netns, links, addrs, routes };
}

async function inode(path: string): Promise<number | undefined> {
  try {
    return (await Deno.stat(path)).ino ?? undefined;
  } catch {
    return undefined;
  }
}
