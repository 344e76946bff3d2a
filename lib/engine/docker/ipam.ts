// The IPAM driver for Docker (https://github.com/moby/moby, `daemon/libnetwork/docs/ipam.md`). It
// serves Docker's own network drivers too: `--ipam-driver ipvlan-kit`.
//
// Docker names neither the network for which it requests a pool, nor the container for which it
// requests an address. If the plugin is killed just before it answers, Docker repeats the call
// without its body, which fails (moby#39331), and releases nothing. So too much stays claimed,
// never too little. A surplus address is released after the next start of the plugin, and a surplus
// request for a pool after the next start of Docker (`watch.ts`).
import { accept, invalidOption, throwProblems } from "../../base/errors.ts";
import type { EtcdAccess } from "../../claims/types.ts";
import {
  type Environment,
  ETCD,
  ipamText,
  readIpamOptions,
} from "../../driver/model/ipam_options.ts";
import type { ClaimRequest, PoolRequest } from "../../driver/mod.ts";
import { optional, readMessage, record } from "../json.ts";
import { flag, object, text } from "../../base/reader.ts";
import { DONE, type Handlers } from "./handlers.ts";

/** Docker has one address space for networks of one machine, and one for those of a swarm. */
const ADDRESS_SPACES = { LocalDefaultAddressSpace: "local", GlobalDefaultAddressSpace: "global" };

/**
 * A replay of the requests for what Docker keeps would count each pool twice, as the store has
 * them. A link's own MAC address is not required, as an ipvlan link cannot have one.
 */
const CAPABILITIES = { RequiresMACAddress: false, RequiresRequestReplay: false };

/** The place of the pools that hosts share. The environment has values for options left out. */
export interface SharedPlace {
  environment: Environment;
  /** The etcd that has all pools; left out, the options of each pool say which one has it. */
  etcd?: EtcdAccess;
}

const options = optional(record(text));

/** Matches the options that Docker itself adds. The others are from `--ipam-opt`. */
const DOCKERS_OWN = /^com\.docker\.|^RequestAddressType$/;

const requestPool = object({
  AddressSpace: text,
  Pool: optional(text),
  SubPool: optional(text),
  Options: options,
  V6: optional(flag),
});

const requestAddress = object({ PoolID: text, Address: optional(text), Options: options });
const releaseAddress = object({ PoolID: text, Address: text });
const releasePool = object({ PoolID: text });

/** Reads the body of `RequestPool`. With options of `--ipam-opt`, hosts share the pool in etcd. */
export function readRequestPool(body: unknown, place: SharedPlace): PoolRequest {
  const { AddressSpace, Pool, SubPool, Options, V6 } = readMessage(requestPool, body);
  const access = readAccess(Options, place);
  return {
    owner: { engine: "docker", id: AddressSpace },
    ...(Pool && { subnet: Pool }),
    ...(SubPool && { ipRange: SubPool }),
    ...(V6 && { ipv6: true }),
    ...(access && { ipam: { driver: ETCD, access } }),
  };
}

/** Reads the access to the etcd of a pool from `--ipam-opt`; `undefined` for a pool of this host. */
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

export function readRequestAddress(
  body: unknown,
): { pool: string; isGateway: boolean; claim: ClaimRequest } {
  const { PoolID, Address, Options } = readMessage(requestAddress, body);
  const rule = "an address has none: leave it out";
  throwProblems(givenOptions(Options).map(([name]) => invalidOption("IPAM option", name, rule)));
  return {
    pool: PoolID,
    isGateway: Options?.RequestAddressType === "com.docker.network.gateway",
    claim: Address ? { address: Address } : {},
  };
}

/** Lists the options that are not Docker's own. */
function givenOptions(options: Record<string, string> = {}): [name: string, value: string][] {
  return Object.entries(options).filter(([name]) => !DOCKERS_OWN.test(name));
}

export const ipamHandlers = (place: SharedPlace): Handlers => ({
  "IpamDriver.GetCapabilities": () => Promise.resolve(CAPABILITIES),
  "IpamDriver.GetDefaultAddressSpaces": () => Promise.resolve(ADDRESS_SPACES),
  "IpamDriver.RequestPool": async (driver, body) => {
    const { id, subnet } = await driver.requestPool(readRequestPool(body, place));
    return { PoolID: id, Pool: subnet, Data: {} };
  },
  "IpamDriver.ReleasePool": async (driver, body) => {
    await driver.releasePool(readMessage(releasePool, body).PoolID);
    return DONE;
  },
  "IpamDriver.RequestAddress": async (driver, body) => {
    const { pool, isGateway, claim } = readRequestAddress(body);
    // The id of a pool in etcd contains the prefix there. This pool was made before etcd had all pools.
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
    const { PoolID, Address } = readMessage(releaseAddress, body);
    await driver.releaseAddress(PoolID, Address);
    return DONE;
  },
});
