// Lists hosts and what they hold, and removes one that is gone for good, without the records.
import { deletions, type Reader, type Step, type Transaction, under } from "./etcd.ts";
import {
  addressIn,
  type KeyValue,
  NO_HOST,
  readBlock,
  readClaim,
  readHost,
  readNetwork,
} from "./values.ts";
import { countOf, lastPart, partsOf, textOf } from "./keys.ts";
import { removeFromNetwork } from "./networks.ts";
import { endOfUse } from "./reservations.ts";
import { isOwn, type RemovedHost, type SharedClaim, type SharedHost } from "./types.ts";
import { IpvlanError } from "../base/errors.ts";

export function claimOf(pair: KeyValue): SharedClaim {
  const { token: _token, reserved: _reserved, ...claim } = readClaim(pair);
  return { address: textOf(addressIn(pair)), ...claim };
}

/** The claims in some pools, or all under the prefix. */
export async function listClaims(
  { etcd, keys, options }: Reader,
  subnets: readonly string[] = [""],
): Promise<SharedClaim[]> {
  const claims: SharedClaim[] = [];
  for (const subnet of subnets) {
    const values = etcd.values(under(keys.claim(subnet)), claimOf, options);
    for await (const { value } of values) claims.push(value);
  }
  return claims;
}

async function registeredHosts({ etcd, keys, options }: Reader): Promise<SharedHost[]> {
  const { ranges: [known, alive, copies] } = await etcd.read([
    under(keys.host()),
    { ...under(keys.alive()), keysOnly: true },
    under(keys.copy()),
  ], options());
  const living = new Set(alive!.map(({ key }) => lastPart(key)));
  const copiesOf = (id: string) =>
    copies!.filter(({ key }) => key.startsWith(keys.copy(id)))
      .flatMap((pair) => etcd.damage.read(readHost, pair)?.name ?? []);
  return known!.map((pair) => {
    const id = lastPart(pair.key);
    const name = etcd.damage.read(readHost, pair)?.name ?? id;
    return { id, name, isAlive: living.has(id), copies: copiesOf(id), claims: {}, kept: {} };
  });
}

/** Finds the name of each registered host, or its id if another one has the name, too. */
export async function hostNames(reader: Reader): Promise<string[]> {
  const hosts = Map.groupBy(await registeredHosts(reader), ({ name }) => name);
  return [...hosts].flatMap(([name, all]) => all.length === 1 ? [name] : all.map(({ id }) => id));
}

/** Lists all hosts by name, with what they hold. The name of a half-removed host is its id. */
export async function listHosts(reader: Reader): Promise<SharedHost[]> {
  const { etcd, keys, options } = reader;
  const hosts = new Map((await registeredHosts(reader)).map((host) => [host.id, host]));
  const hostOf = (id: string): SharedHost => {
    const host = hosts.get(id) ??
      { id, name: id, isAlive: false, copies: [], claims: {}, kept: {} };
    hosts.set(id, host);
    return host;
  };
  const count = (counts: Record<string, number>, { key }: KeyValue, more: number) => {
    const { subnet } = partsOf(key);
    counts[subnet] = (counts[subnet] ?? 0) + more;
  };
  for await (const { value, pair } of etcd.values(under(keys.block()), readBlock, options)) {
    count(hostOf(value.host).kept, pair, countOf(value.set));
  }
  for await (const { value, pair } of etcd.values(under(keys.claim()), readClaim, options)) {
    if (value.host === NO_HOST) continue;
    const { claims } = hostOf(value.host);
    if (!isOwn(value)) count(claims, pair, 1);
  }
  return [...hosts.values()].sort((a, b) => a.name < b.name ? -1 : Number(a.name > b.name));
}

/** Removes a host: first its key, so that its transactions fail. @param force Whether it is off. */
export async function removeHost(
  reader: Reader,
  idOrName: string,
  ownId: string | undefined,
  force: boolean,
): Promise<RemovedHost> {
  const { etcd, keys, options } = reader;
  // A half-removed host is found by its claims and blocks.
  const hosts = await listHosts(reader);
  const named = hosts.filter(({ id, name }) => id === idOrName || name === idOrName);
  const found = named.find(({ id }) => id === idOrName) ?? named[0];
  if (!found || named.length > 1 && found.id !== idOrName) {
    const [known, ambiguous] = [hosts.map(({ name }) => name), named.map(({ id }) => id)];
    throw new IpvlanError("host-not-found", { host: idOrName, known, ambiguous });
  }
  const { id, name } = found;
  if (id === ownId) throw new IpvlanError("own-host");
  await deleteKey(reader, found, force);
  await deleteOwn(reader, found, keys.block(), readBlock);
  const end = (pair: KeyValue) => endOfUse(keys, pair.key, readClaim(pair));
  const claims = await deleteOwn(reader, found, keys.claim(), readClaim, end);
  const transact = (transaction: Transaction) => etcd.transact(transaction, options());
  for await (const { pair } of etcd.values(under(keys.network()), readNetwork, options)) {
    await removeFromNetwork({ ...reader, transact }, pair.key, pair, id);
  }
  const freed = claims.filter((pair) => !readClaim(pair).reserved).map(({ key }) => key);
  return { id, name, freed: freed.map((key) => textOf(lastPart(key))) };
}

/** Deletes the key of a host, unless it may run and holds addresses. A change starts it again. */
async function deleteKey(reader: Reader, { id, name }: SharedHost, force: boolean): Promise<void> {
  const { etcd, keys, options } = reader;
  const [key, alive, heard] = [keys.host(id), keys.alive(id), keys.heard(id)];
  for (;;) {
    const { ranges } = await etcd.read([key, alive, heard].map((key) => ({ key })), options());
    const [pair, isAlive, isHeard] = ranges.map(([first]) => first);
    if (isAlive) throw new IpvlanError("host-alive", { host: name, reason: "agent" });
    // The silence of a host proves nothing if it never ran an agent.
    const isSilent = !pair || !isHeard && etcd.damage.read(readHost, pair)?.agent === true;
    if (!force && !isSilent && (await listClaims(reader)).some(({ host }) => host === id)) {
      throw new IpvlanError("host-alive", { host: name, reason: isHeard ? "heard" : "no agent" });
    }
    const { succeeded } = await etcd.transact({
      compare: [
        { key, revision: pair?.modRevision ?? 0 },
        { key: alive, revision: 0 },
        ...!force && isSilent ? [{ key: heard, revision: 0 }] : [],
      ],
      success: [{ delete: { key } }, { delete: under(keys.copy(id)) }],
    }, options());
    if (succeeded) return;
  }
}

/** Deletes the keys under a prefix of a host that is gone. @throws {"host-alive"} It is back. */
async function deleteOwn(
  { etcd, keys, options }: Reader,
  { id, name }: SharedHost,
  all: string,
  read: (pair: KeyValue) => { host: string },
  end?: (pair: KeyValue) => Step,
): Promise<KeyValue[]> {
  const deleted = new Map<string, KeyValue>();
  for (let isDone = false; !isDone;) {
    isDone = true;
    for await (const { pairs } of etcd.pages(under(all), options)) {
      const own = pairs.filter((pair) => etcd.damage.read(read, pair)?.host === id);
      for (const pair of own) deleted.set(pair.key, pair);
      // Another host may have removed this one, too, and a third one may have taken its addresses.
      for (const { compare, success } of deletions(own, end)) {
        const { succeeded, ranges: [host] } = await etcd.transact({
          compare: [{ key: keys.host(id), revision: 0 }, ...compare],
          success,
          failure: [{ key: keys.host(id) }],
        }, options());
        if (succeeded) continue;
        if (host!.length > 0) throw new IpvlanError("host-alive", { host: name, reason: "heard" });
        isDone = false;
      }
    }
  }
  return [...deleted.values()];
}
