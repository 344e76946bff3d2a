import type { RunProgram } from "./shell.ts";
import { type Libc, SystemError } from "../netlink/libc.ts";
import { inNamespace } from "../netlink/namespace.ts";
import { linkName, pathToEnter } from "./words.ts";
import { IpvlanError } from "../base/errors.ts";
import { unlessMissing } from "../base/files.ts";
import { isGranted } from "../base/permissions.ts";
import { shellWord } from "../base/printable.ts";

const FOLDER = "/proc/sys/";

/**
 * The settings that decide whether a namespace accepts, answers and forwards packets, as paths under
 * `/proc/sys`. A `*` stands for each link, and for `all` (the kernel's `ip-sysctl.rst`).
 */
const DECISIVE = [
  "net/ipv4/icmp_echo_ignore_all",
  ...["forwarding", "rp_filter", "arp_ignore", "accept_local", "proxy_arp"]
    .map((name) => `net/ipv4/conf/*/${name}`),
  "net/ipv6/icmp/echo_ignore_all",
  ...["forwarding", "proxy_ndp", "mtu"].map((name) => `net/ipv6/conf/*/${name}`),
];

/** Reads the settings of a namespace that decide where packets go: see {@linkcode NamespaceView}. */
export async function readSysctls(
  run: RunProgram,
  libc: Libc | undefined,
  netns?: string,
): Promise<Record<string, number>> {
  // `/proc/sys/net` shows a process the settings of its own namespace.
  if (libc && isGranted({ name: "read" })) {
    if (netns === undefined) return readHere();
    try {
      return inNamespace(libc, pathToEnter(netns), netns, readHere);
    } catch (error) {
      if (error instanceof SystemError) throw new IpvlanError("namespace-not-found", { netns });
      throw error;
    }
  }
  const enter = netns === undefined ? "" : `nsenter --net=${pathToEnter(netns)} `;
  // The shell there finds other links than this one would.
  const files = DECISIVE.map((path) => FOLDER + path).join(" ");
  const { out } = await run(`${enter}sh -c 'grep -Hs . ${files}'`, []);
  // A link's name has no colon (`dev_valid_name` in `net/core/dev.c`).
  const pairs = out.map((line) => line.slice(FOLDER.length).split(":"));
  return Object.fromEntries(pairs.map(([path, value]) => [path, Number(value)]));
}

function readHere(): Record<string, number> {
  const paths = DECISIVE.flatMap((pattern) => {
    const [folder, name] = pattern.split("/*/");
    if (name === undefined) return [pattern];
    const links = unlessMissing(() => Array.from(Deno.readDirSync(FOLDER + folder))) ?? [];
    return links.map((link) => `${folder}/${link.name}/${name}`);
  });
  return Object.fromEntries(paths.flatMap((path) => {
    const text = unlessMissing(() => Deno.readTextFileSync(FOLDER + path));
    return text === undefined ? [] : [[path, Number(text)]];
  }));
}

/**
 * Finds out which of some settings of links have these values: {@linkcode linkSetting}. A link or a
 * family that does not exist has none.
 */
export async function settingsMade(
  { run, hostName: netns }: { run: RunProgram; hostName: string | undefined },
  settings: readonly string[],
): Promise<Set<string>> {
  if (settings.length === 0) return new Set();
  const enter = netns === undefined ? "" : `nsenter --net=${pathToEnter(netns)} `;
  const files = settings.map((each) => shellWord(FOLDER + each.slice(0, each.lastIndexOf("="))));
  const { out } = await run(`${enter}grep -Hs . ${files.join(" ")}`, []);
  const made = new Set(out.map((line) => line.slice(FOLDER.length).replace(/:(?=\d+$)/, "=")));
  return new Set(settings.filter((each) => made.has(each)));
}

/** A setting of a link, and its value of one digit (the kernel's `ip-sysctl.rst`). */
export type LinkSetting =
  /** No IPv6 at all. */
  | "ipv6/disable_ipv6=1"
  | "ipv6/disable_ipv6=0"
  /** No address and no route from a router's advertisement. */
  | "ipv6/accept_ra=0"
  /** Both, also where the namespace forwards packets. */
  | "ipv6/accept_ra=2"
  /** Both, unless the link forwards packets. */
  | "ipv6/accept_ra=1"
  /** What comes in by the link is forwarded. */
  | `ipv4/forwarding=${0 | 1}`
  | `ipv6/forwarding=${0 | 1}`
  /** The neighbours that this kernel is a proxy for are answered for. */
  | `ipv6/proxy_ndp=${0 | 1}`
  /** Duplicate address detection of IPv6, by one solicitation. */
  | "ipv6/accept_dad=1"
  | "ipv6/dad_transmits=1"
  /** Addresses that are used while it goes on (RFC 4429). */
  | "ipv6/optimistic_dad=1"
  /** A gratuitous ARP request for each IPv4 address when the link comes up. */
  | "ipv4/arp_notify=1"
  /** An unsolicited neighbour advertisement for each IPv6 address when the link comes up. */
  | "ipv6/ndisc_notify=1";

/** The path of a setting and its value: `net/ipv6/conf/eth0/disable_ipv6=1`. */
export function linkSetting(link: string, setting: LinkSetting): string {
  const [family, name] = setting.split("/");
  return `net/${family}/conf/${linkName(link)}/${name}`;
}
