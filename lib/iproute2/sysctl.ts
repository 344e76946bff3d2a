import { feed, type RunProgram, spawn } from "./shell.ts";
import { type Libc, SystemError } from "../netlink/libc.ts";
import { inNamespace } from "../netlink/namespace.ts";
import { linkName, netnsName, pathToEnter } from "./words.ts";
import { IpvlanError } from "../base/errors.ts";
import { isGranted } from "../base/permissions.ts";
import { ipCommandError } from "./errors.ts";

/**
 * The settings that decide whether a namespace accepts, answers and forwards packets, as paths under
 * `/proc/sys`. A `*` stands for each link, for `all` and for `default`. See the kernel's
 * `Documentation/networking/ip-sysctl.rst`.
 */
const SYSCTLS = [
  "net/ipv4/ip_forward",
  "net/ipv4/icmp_echo_ignore_all",
  "net/ipv4/conf/*/forwarding",
  "net/ipv4/conf/*/rp_filter",
  "net/ipv4/conf/*/arp_ignore",
  "net/ipv4/conf/*/arp_announce",
  "net/ipv4/conf/*/proxy_arp",
  "net/ipv4/conf/*/proxy_arp_pvlan",
  "net/ipv4/conf/*/accept_redirects",
  "net/ipv4/conf/*/send_redirects",
  "net/ipv6/icmp/echo_ignore_all",
  "net/ipv6/conf/*/forwarding",
  "net/ipv6/conf/*/disable_ipv6",
  "net/ipv6/conf/*/accept_ra",
  "net/ipv6/conf/*/accept_dad",
  "net/ipv6/conf/*/proxy_ndp",
  "net/ipv6/conf/*/keep_addr_on_down",
  "net/ipv6/conf/*/accept_redirects",
];

const FOLDER = "/proc/sys/";

/**
 * Reads the settings of a namespace, by path: `{ "net/ipv4/conf/eth0/rp_filter": 2 }`. Settings that
 * the kernel lacks are left out. `/proc/sys/net` shows a process the settings of its own namespace, so
 * this starts a program in the namespace.
 *
 * @throws {"namespace-not-found"} There is no such namespace.
 * @throws {"ip-command"} It cannot be entered, or its settings cannot be read.
 */
export async function readSysctls(
  run: RunProgram,
  netns?: string,
): Promise<Record<string, number>> {
  const files = SYSCTLS.map((path) => FOLDER + path).join(" ");
  const where = netns === undefined ? "" : `ip netns exec ${netnsName(netns)} `;
  // The shell in the namespace expands the patterns: it has other links than this one.
  const { out, err } = await run(`${where}sh -c 'grep -sH "" ${files}'`, []);
  if (out.length === 0) {
    const said = err.join("; ");
    if (netns !== undefined && /^Cannot open network namespace .*No such file/.test(said)) {
      throw new IpvlanError("namespace-not-found", { netns });
    }
    throw ipCommandError(`${where}grep "" ${FOLDER}net/…`, said);
  }
  return parseSysctls(out);
}

/** Reads the same without a program; `undefined` if it cannot. Then the program says why. */
export function readSysctlsIn(libc: Libc, netns?: string): Record<string, number> | undefined {
  // `/proc` needs the permission to read everything.
  if (!isGranted({ name: "read" })) return undefined;
  const readAll = () => Object.fromEntries(SYSCTLS.flatMap(pathsOf).flatMap(readSysctl));
  if (netns === undefined) return readAll();
  try {
    return inNamespace(libc, pathToEnter(netns), netns, readAll);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

function pathsOf(pattern: string): string[] {
  const [folder, name] = pattern.split("/*/");
  if (name === undefined) return [pattern];
  try {
    return Array.from(
      Deno.readDirSync(FOLDER + folder),
      (link) => `${folder}/${link.name}/${name}`,
    );
  } catch {
    // The kernel has no IPv6.
    return [];
  }
}

/** Reads one setting, if the kernel has it. */
function readSysctl(path: string): [path: string, value: number][] {
  try {
    return [[path, Number(Deno.readTextFileSync(FOLDER + path))]];
  } catch {
    return [];
  }
}

/** Parses the values that `grep -H` prints: `/proc/sys/net/ipv4/ip_forward:0`. */
export function parseSysctls(printed: readonly string[]): Record<string, number> {
  return Object.fromEntries(printed.map((line) => {
    // A link's name has no colon (`dev_valid_name` in `net/core/dev.c`).
    const [path = "", value] = line.slice(FOLDER.length).split(":");
    return [path, Number(value)];
  }));
}

/**
 * Writes one value to kernel settings of a namespace (`net/ipv4/ip_forward`).
 *
 * @throws {"sysctl"} There is no such namespace or setting, or the kernel refuses the value.
 */
export async function writeSysctls(netns: string, keys: string[], value: string): Promise<void> {
  // tee(1) and not sysctl(8), which small systems lack.
  const args = ["netns", "exec", netnsName(netns), "tee", ...keys.map((key) => FOLDER + key)];
  const { success, err } = await feed(spawn("ip", args), `${value}\n`);
  if (!success) throw new IpvlanError("sysctl", { netns, keys, value, reason: err.trim() });
}

/** A setting of a link, and its value of one digit (the kernel's `ip-sysctl.rst`). */
export type LinkSetting =
  /** No IPv6 at all. */
  | "ipv6/disable_ipv6=1"
  /** No address and no route from a router's advertisement. */
  | "ipv6/accept_ra=0"
  /** A gratuitous ARP request for each IPv4 address when the link comes up. */
  | "ipv4/arp_notify=1"
  /** An unsolicited neighbour advertisement for each IPv6 address when the link comes up. */
  | "ipv6/ndisc_notify=1";

/**
 * The path of a setting and its value: `net/ipv6/conf/eth0/disable_ipv6=1`.
 *
 * @throws {"invalid-word"} No link can have the name.
 */
export function linkSetting(link: string, setting: LinkSetting): string {
  const [family, name] = setting.split("/");
  return `net/${family}/conf/${linkName(link)}/${name}`;
}
