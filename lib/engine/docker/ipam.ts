/**
 * Docker's IPAM driver (https://github.com/moby/moby, `daemon/libnetwork/docs/ipam.md`): each call as a
 * call of ours. It serves Docker's own network drivers too: `--ipam-driver ipvlan-kit`.
 *
 * Docker tells neither for which network it requests a pool, nor for which container it requests an
 * address. So if the plugin is killed just before it answers, too much stays claimed, and never too
 * little: Docker repeats the call without its body, which fails (moby#39331), and releases nothing. A
 * surplus address is released when the plugin has been started again, and a surplus request for a pool
 * when Docker has (`watch.ts`).
 *
 * @module
 */
import { accept, invalidOption, throwProblems } from "../../base/errors.ts";
import type { EtcdAccess } from "../../claims/types.ts";
import {
  type Environment,
  ETCD,
  ipamText,
  readIpamOptions,
} from "../../driver/model/ipam_options.ts";
import type { AddressPool, ClaimRequest, PoolRequest } from "../../driver/mod.ts";
import { optional, readMessage, record } from "../json.ts";
import { flag, object, text } from "../../base/reader.ts";
import type { Handlers } from "./handlers.ts";

/** Docker has one address space for networks of one machine, and one for those of a swarm. */
const ADDRESS_SPACES = { LocalDefaultAddressSpace: "local", GlobalDefaultAddressSpace: "global" };

/**
 * Docker requests everything again when it starts if a driver asks for that: the networks that it keeps,
 * with their auxiliary addresses, and what their containers had. The store has it, so that would only
 * count each pool twice. The networks of a swarm are made anew in any case.
 *
 * A MAC address of its own is none that an ipvlan link can have.
 */
const CAPABILITIES = { RequiresMACAddress: false, RequiresRequestReplay: false };

/** Where the pools are that hosts share. */
export interface SharedPlace {
  /** Says what the options of a pool leave out. */
  environment: Environment;
  /** The etcd that has all pools; left out, the options of each say where it is. */
  etcd?: EtcdAccess;
}

/** The answer of a call that has nothing to tell. */
const DONE = {};

const options = optional(record(text));

/** Options that Docker itself adds begin so. The others are of `--ipam-opt`. */
const DOCKERS_OWN = /^com\.docker\.|^RequestAddressType$/;

const POOL = object({
  AddressSpace: text,
  Pool: optional(text),
  SubPool: optional(text),
  Options: options,
  V6: optional(flag),
});

const ADDRESS = object({ PoolID: text, Address: optional(text), Options: options });

/** The pool of a `RequestPool`. With options of `--ipam-opt`, several hosts share it in etcd. */
export function readRequestPool(body: unknown, place: SharedPlace): PoolRequest {
  const { AddressSpace, Pool, SubPool, Options, V6 } = readMessage(POOL, body);
  const access = readAccess(Options, place);
  return {
    owner: { engine: "docker", id: AddressSpace },
    ...(Pool && { subnet: Pool }),
    ...(SubPool && { ipRange: SubPool }),
    ...(V6 && { ipv6: true }),
    ...(access && { ipam: { driver: ETCD, access } }),
  };
}

/** How to reach the etcd of a pool with these options of `--ipam-opt`; `undefined` if none has it. */
export function readAccess(
  options: Record<string, string> | undefined,
  { environment, etcd }: SharedPlace,
): EtcdAccess | undefined {
  const given = givenOptions(options);
  if (given.length === 0) return etcd;
  const read = readIpamOptions(given.map((entry) => entry.join("=")), { environment });
  if (!etcd) return accept(read).access;
  const wanted = ipamText({ driver: ETCD, access: etcd });
  if (read.ok && ipamText({ driver: ETCD, access: read.access }) === wanted) return etcd;
  const rule = `docker serve --ipam-opt has all pools in ${wanted}: leave it out`;
  throw invalidOption("IPAM option", given.map(([name]) => name).join(","), rule);
}

/** The answer to a `RequestPool`. */
export function poolAnswer({ id, subnet }: AddressPool): unknown {
  return { PoolID: id, Pool: subnet, Data: {} };
}

/** The address of a `RequestAddress`. @throws {IpvlanError} The body is not what it should be. */
export function readRequestAddress(
  body: unknown,
): { pool: string; isGateway: boolean; claim: ClaimRequest } {
  const { PoolID, Address, Options } = readMessage(ADDRESS, body);
  refuseOptions(Options);
  return {
    pool: PoolID,
    isGateway: Options?.RequestAddressType === "com.docker.network.gateway",
    claim: Address ? { address: Address } : {},
  };
}

/** The options that are not Docker's own. */
function givenOptions(options: Record<string, string> = {}): [name: string, value: string][] {
  return Object.entries(options).filter(([name]) => !DOCKERS_OWN.test(name));
}

function refuseOptions(options: Record<string, string> | undefined): void {
  const rule = "an address has none: leave it out";
  throwProblems(
    givenOptions(options).map(([name]) => invalidOption("IPAM option", name, rule)),
  );
}

/** The calls of an IPAM driver. */
export const ipamHandlers = (place: SharedPlace): Handlers => ({
  "IpamDriver.GetCapabilities": () => Promise.resolve(CAPABILITIES),
  "IpamDriver.GetDefaultAddressSpaces": () => Promise.resolve(ADDRESS_SPACES),
  "IpamDriver.RequestPool": async (driver, body) =>
    poolAnswer(await driver.requestPool(readRequestPool(body, place))),
  "IpamDriver.ReleasePool": async (driver, body) => {
    await driver.releasePool(readMessage(object({ PoolID: text }), body).PoolID);
    return DONE;
  },
  "IpamDriver.RequestAddress": async (driver, body) => {
    const { pool, isGateway, claim } = readRequestAddress(body);
    // The id of a pool in etcd has the prefix there. This one was made when no etcd had all pools.
    if (place.etcd && !pool.includes("@")) {
      const rule = "docker serve --ipam-opt has all pools in etcd: create its networks again";
      throw invalidOption("address pool", pool, rule);
    }
    const { address } = isGateway
      ? await driver.claimGateway(pool, claim.address)
      : await driver.claimAddress(pool, claim);
    return { Address: address, Data: {} };
  },
  "IpamDriver.ReleaseAddress": async (driver, body) => {
    const { PoolID, Address } = readMessage(object({ PoolID: text, Address: text }), body);
    await driver.releaseAddress(PoolID, Address);
    return DONE;
  },
});
