import { feed, type RunProgram, spawn } from "./shell.ts";
import { linkName, netnsName, pathToEnter } from "./words.ts";
import { IpvlanError } from "../base/errors.ts";
import { shellWord } from "../base/printable.ts";

const FOLDER = "/proc/sys/";

/** Writes one value to kernel settings of a namespace: `net/ipv4/ip_forward`. @throws {"sysctl"} */
export async function writeSysctls(netns: string, keys: string[], value: string): Promise<void> {
  // tee(1) and not sysctl(8), which small systems lack.
  const args = ["netns", "exec", netnsName(netns), "tee", ...keys.map((key) => FOLDER + key)];
  const { success, err } = await feed(spawn("ip", args), `${value}\n`);
  if (!success) throw new IpvlanError("sysctl", { netns, keys, value, reason: err.trim() });
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
