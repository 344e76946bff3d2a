/**
 * What the tests of shared pools share: one etcd for each file, and hosts with a prefix of their own.
 *
 * @module
 */
import type { EtcdAccess } from "../../lib/claims/types.ts";
import { etcd } from "./start_etcd.ts";
import { exists } from "../../lab/machine.ts";
import { type Host, keysOf, openHost } from "./host.ts";
import { Link } from "./proxy.ts";

/** The etcd of this file of tests. It ends with the process. */
export const cluster = await etcd.start();
globalThis.addEventListener("unload", () => cluster.killNow());

/** Where state folders are: in memory if there is such a folder, as SQLite waits for a disk. */
const STATES = exists("/dev/shm") ? "/dev/shm" : undefined;

let prefixes = 0;

/** Runs a test with hosts that share a fresh prefix. */
export function test(
  name: string,
  names: string[],
  run: (hosts: [Host, Host, Host], access: EtcdAccess) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const access = { endpoints: [...cluster.endpoints], prefix: `/test-${prefixes++}` };
    using stack = new DisposableStack();
    const hosts = names.map((name) => {
      const folder = Deno.makeTempDirSync({ dir: STATES });
      stack.defer(() => Deno.removeSync(folder, { recursive: true }));
      return stack.use(openHost(name, folder));
    });
    await run(hosts as [Host, Host, Host], access);
  });
}

/** A link to etcd in which a test can make trouble. */
export function newLink(): Link {
  return new Link(Number(new URL(cluster.endpoints[0]!).port));
}

/**
 * An address in the other half of a /24. Where a host begins in a pool follows from its id, which is
 * random; this address is in another block than the given one.
 */
export function elsewhere(address: string): string {
  return address.replace(/\d+$/, (last) => Number(last) < 128 ? "200" : "20");
}

/** The keys of a kind, or all, with their values. */
export async function kindOf(access: EtcdAccess, kind: string): Promise<[string, unknown][]> {
  const keys = await keysOf({ ...access, endpoints: [...cluster.endpoints] }, access.prefix);
  return [...keys].filter(([key]) => kind === "" || key.startsWith(`${kind}/`));
}

/** Deletes all keys that begin with a text, behind the back of all hosts. */
export function deleteKeys(prefix: string): Promise<void> {
  return deleteRange({ key: btoa(prefix), range_end: btoa(`${prefix}~`) });
}

/** The same with one key. */
export function deleteKey(key: string): Promise<void> {
  return deleteRange({ key: btoa(key) });
}

async function deleteRange(range: { key: string; range_end?: string }): Promise<void> {
  const body = JSON.stringify(range);
  const answer = await fetch(`${cluster.endpoints[0]}/v3/kv/deleterange`, { method: "POST", body });
  await answer.text();
}

/** Writes a key behind the back of all hosts. */
export function put(key: string, value: unknown): Promise<void> {
  return putText(key, JSON.stringify(value));
}

/** The same with any text for a value. */
export async function putText(key: string, text: string): Promise<void> {
  const body = JSON.stringify({ key: btoa(key), value: btoa(text) });
  const answer = await fetch(`${cluster.endpoints[0]}/v3/kv/put`, { method: "POST", body });
  await answer.text();
}
