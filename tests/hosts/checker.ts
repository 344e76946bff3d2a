/**
 * Checks a history: never two holders of one address at one time. It knows nothing of how pools work.
 *
 * @module
 */
import type { Event } from "./history.ts";

/** How long a process held an address. */
export interface Hold {
  /** The address. */
  address: string;
  /** The process. */
  process: string;
  /** When it certainly had it: the call that took it had returned. */
  from: number;
  /** When it certainly still had it: the call that released it had not begun. */
  to: number;
}

/** The holds of a history. One that is not released lasts to the end of time. */
export function holdsOf(history: readonly Event[]): Hold[] {
  const holds: Hold[] = [];
  const open = new Map<string, Hold>();
  for (const { time, process, call, kind, address } of history) {
    if (call === "forget") {
      for (const [key, hold] of open) {
        if (hold.process !== process) continue;
        hold.to = time;
        open.delete(key);
      }
    }
    if (address === undefined) continue;
    const key = `${process} ${address}`;
    if (kind === "done" && (call === "take" || call === "find")) {
      if (open.has(key)) continue;
      const hold = { address, process, from: time, to: Infinity };
      open.set(key, hold);
      holds.push(hold);
    } else if (kind === "begin" && call === "release") {
      const hold = open.get(key);
      if (hold) hold.to = time;
      open.delete(key);
    }
  }
  return holds;
}

/** Says which addresses two processes held at one time. */
export function doubleHolds(history: readonly Event[]): string[] {
  const defects: string[] = [];
  for (const [address, holds] of Map.groupBy(holdsOf(history), ({ address }) => address)) {
    // The one whose hold lasts longest, of those that began before.
    let longest: Hold | undefined;
    for (const hold of holds.toSorted((a, b) => a.from - b.from)) {
      if (longest && hold.from < longest.to && hold.process !== longest.process) {
        const since = hold.from.toFixed(3);
        defects.push(`${address} is held by ${longest.process} and, at ${since}, ${hold.process}`);
      }
      if (!longest || hold.to > longest.to) longest = hold;
    }
  }
  return defects;
}

/**
 * Says which addresses a host gave away that were reserved for another name. An older etcd may have
 * forgotten any reservation. A process may take what another one of its host has freed just now.
 */
export function brokenReservations(history: readonly Event[]): string[] {
  const defects: string[] = [];
  const reserved = new Map<string, { owner: string; since: number }>();
  const begun = new Map<string, number>();
  const hosts = new Map<string, string>();
  for (const event of history) {
    const { time, process, call, kind, number, address, sandbox, fault } = event;
    if (call === "fault" && fault?.includes("snapshot")) reserved.clear();
    if (call === "take" && kind === "begin") begun.set(`${process} ${number}`, time);
    if (address === undefined || sandbox === undefined) continue;
    if (call === "reserve" && kind === "done") {
      reserved.set(address, { owner: sandbox, since: time });
    }
    if (call === "unreserve" && kind === "begin") reserved.delete(address);
    // What a host has on record goes on, also when an older record was put back: see `claimAddress`.
    if (call === "find" && reserved.get(address)?.owner !== sandbox) reserved.delete(address);
    if (call !== "take" || kind !== "done") continue;
    const host = process.split(/[.-]/)[0]!;
    const { owner = sandbox, since = 0 } = reserved.get(address) ?? {};
    const isAfter = begun.get(`${process} ${number}`)! > since;
    if (owner !== sandbox && isAfter && hosts.get(address) !== host) {
      defects.push(
        `${address}, reserved for ${owner}, is taken for ${sandbox} at ${time.toFixed(3)}`,
      );
    }
    hosts.set(address, host);
  }
  return defects;
}

/** How many calls there were of each kind, and how they ended. */
export function countCalls(history: readonly Event[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { call, kind, error } of history) {
    if (kind === "begin" || call === "fault") continue;
    const name = kind === "failed" ? `${call}: ${error}` : call;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** What a host has on record. */
export interface HostState {
  /** Its id. */
  id: string;
  /** Its name. */
  name: string;
  /** The addresses in use. */
  held: string[];
}

/** Checks that the records of all hosts and etcd say the same, when nothing is under way. */
export function differences(
  hosts: readonly HostState[],
  claims: readonly { address: string; host: string }[],
): string[] {
  const defects: string[] = [];
  const holders = new Map<string, HostState>();
  for (const host of hosts) {
    for (const address of host.held) {
      const other = holders.get(address);
      if (other) defects.push(`${address} is on record of ${other.name} and ${host.name}`);
      holders.set(address, host);
    }
  }
  const claimed = new Map(claims.map(({ address, host }) => [address, host]));
  for (const [address, { id, name }] of holders) {
    const host = claimed.get(address);
    if (host === undefined) defects.push(`${address} of ${name} has no claim`);
    else if (host !== id) defects.push(`${address} of ${name} is claimed by ${host}`);
  }
  for (const [address, host] of claimed) {
    if (!holders.has(address)) defects.push(`The claim of ${address} by ${host} has no record`);
  }
  return defects;
}
