import { endpointAddresses } from "../../ipam/address.ts";
import { isOwned, namesOn } from "../model/names.ts";
import { ownHostLines } from "./settings.ts";
import type { HostEntry } from "../store/store.ts";
import type { SandboxSettings } from "../model/types.ts";

/** The end of each line that the driver writes. Root in the sandbox has written the other lines. */
export const MARK = " # ipvlan";

/** The first line of each hosts file that the driver writes. It does not change other files. */
export const HEAD = `# Written by ipvlan-kit, which changes the lines that end in${MARK}`;

/** The sandboxes whose files may be stale: all on these networks, by id, and these, by name. */
export interface StaleHosts {
  networks: ReadonlySet<string>;
  sandboxes: ReadonlySet<string>;
}

interface HostsFacts {
  /** All endpoints, in the order made. */
  endpoints: readonly HostEntry[];
  /** The lines of sandboxes of other hosts, by the ids of the networks that they are on. */
  remote?: (network: string) => readonly RemoteName[];
  /** The settings of the sandboxes that have names of their own, by sandbox. */
  settings: ReadonlyMap<string, SandboxSettings>;
  /** Whether a sandbox without endpoints is on record, and is not being removed. */
  exists: (sandbox: string) => boolean;
}

export interface RemoteName {
  address: string;
  names: readonly string[];
}

/** Decides on the driver's lines in each stale hosts file, by sandbox; `undefined` removes the file. */
export function planHosts(
  { endpoints, settings, exists, remote = () => [] }: HostsFacts,
  stale: StaleHosts,
): Map<string, string | undefined> {
  const kept = endpoints.filter(({ state }) => state !== "removing");
  const byNetwork = Map.groupBy(kept, ({ network }) => network);
  // An engine's sandboxes have names and files of the engine's own.
  const hasFile = ({ sandbox }: HostEntry) => !isOwned(sandbox);
  const bySandbox = Map.groupBy(kept.filter(hasFile), ({ sandbox }) => sandbox);
  const texts = new Map<string, string | undefined>();
  for (const sandbox of stale.sandboxes) {
    if (bySandbox.has(sandbox) || isOwned(sandbox)) continue;
    if (exists(sandbox)) bySandbox.set(sandbox, []);
    else texts.set(sandbox, undefined);
  }
  // Most sandboxes share their networks with others, so their lines are rendered once.
  const rendered = new Map<string, string>();
  for (const [sandbox, own] of bySandbox) {
    // In the order in which names are looked up.
    const networks = own.toSorted((one, other) => one.ordinal - other.ordinal)
      .map(({ network }) => network);
    if (!stale.sandboxes.has(sandbox) && !networks.some((id) => stale.networks.has(id))) continue;
    const given = settings.get(sandbox);
    const render = (lines: readonly string[]) =>
      renderHosts(networks.flatMap((id) => byNetwork.get(id)!), networks.flatMap(remote), lines);
    const key = networks.join();
    const text = given ? render(ownHostLines(given, own)) : rendered.get(key) ?? render([]);
    if (!given) rendered.set(key, text);
    texts.set(sandbox, text);
  }
  return texts;
}

/** Renders the lines of a sandbox's hosts file (hosts(5)): its own, and those of its networks. */
export function renderHosts(
  reachable: readonly Omit<HostEntry, "state">[],
  remote: readonly RemoteName[] = [],
  given: readonly string[] = [],
): string {
  // This host's own records are newer than those from etcd.
  const own = new Set(reachable.flatMap(endpointAddresses));
  const lines = [
    ...given,
    "127.0.0.1 localhost",
    "::1 localhost ip6-localhost ip6-loopback",
    ...reachable.flatMap(hostLines),
    ...remote.filter(({ address }) => !own.has(address))
      .map(({ address, names }) => `${address} ${names.join(" ")}`),
  ];
  // Several networks may have the same line for the host.
  return [HEAD, ...new Set(lines.map((line) => line + MARK)), ""].join("\n");
}

function hostLines(endpoint: Omit<HostEntry, "state">): string[] {
  const names = namesOn(endpoint.networkName, endpoint).join(" ");
  if (names === "") return [];
  return endpointAddresses(endpoint).map((address) => `${address} ${names}`);
}

/** A change of a hosts file: the tail to write at a byte, and the size. A character is a byte. */
export interface HostsEdit {
  at: number;
  tail: string;
  size: number;
}

/**
 * Decides what to write into a hosts file so that it has the driver's lines, in their order, and
 * the lines of others as they are. If only lines are missing, they come last: then others may
 * append to the file at the same time.
 */
export function editHosts(old: string, text: string): HostsEdit {
  let same = 0;
  while (same < old.length && old[same] === text[same]) same++;
  same = old.slice(0, same).lastIndexOf("\n") + 1;
  const rest = old.slice(same).match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const isOurs = (line: string) => line.endsWith(`${MARK}\n`);
  // A kill can leave the beginning of a line.
  const isTorn = (line: string) => !line.endsWith("\n") && `\n${text}`.includes(`\n${line}`);
  const present = text.slice(0, same) + rest.filter(isOurs).join("");
  if (text.startsWith(present) && !rest.some(isTorn)) {
    const tail = (/[^\n]$/.test(old) ? "\n" : "") + text.slice(present.length);
    return { at: old.length, tail, size: old.length + tail.length };
  }
  const theirs = rest.filter((line) => !isOurs(line) && !isTorn(line)).join("");
  const tail = text.slice(same) + theirs + (/[^\n]$/.test(theirs) ? "\n" : "");
  // If the file gets shorter, blank lines overwrite its old end, which is then cut off.
  return { at: same, tail: tail.padEnd(old.length - same, "\n"), size: same + tail.length };
}
