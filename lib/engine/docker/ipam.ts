/**
 * Docker's IPAM driver (https://github.com/moby/moby, `daemon/libnetwork/docs/ipam.md`): each call as a
 * call of ours. It serves Docker's own network drivers too: `--ipam-driver ipvlan-kit`.
 *
 * Docker tells neither for which network it requests a pool, nor for which container it requests an
 * address. So if the plugin is killed just before it answers, and Docker repeats the call, it counts
 * twice: too much stays claimed, and never too little. A surplus address goes with its pool.
 *
 * @module
 */
import { InvalidOptionError, throwProblems } from "../../driver/errors.ts";
import type { AddressPool, ClaimRequest, PoolRequest } from "../../driver/mod.ts";
import { flag, object, optional, readBody, record, text } from "./body.ts";
import type { Handlers } from "./handlers.ts";

/** Docker has one address space for networks of one machine, and one for those of a swarm. */
const ADDRESS_SPACES = { LocalDefaultAddressSpace: "local", GlobalDefaultAddressSpace: "global" };

/**
 * Docker requests everything again when it starts if a driver asks for that. The store has it, so that
 * would only count each pool twice. A MAC address of its own is none that an ipvlan link can have.
 */
const CAPABILITIES = { RequiresMACAddress: false, RequiresRequestReplay: false };

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

/** The pool of a `RequestPool`. @throws {IpvlanError} The body is not what it should be. */
export function readRequestPool(body: unknown): PoolRequest {
  const { AddressSpace, Pool, SubPool, Options, V6 } = readBody(POOL, body);
  refuseOptions(Options);
  return {
    owner: { engine: "docker", id: AddressSpace },
    ...(Pool && { subnet: Pool }),
    ...(SubPool && { ipRange: SubPool }),
    ...(V6 && { ipv6: true }),
  };
}

/** The answer to a `RequestPool`. */
export function poolAnswer({ id, subnet }: AddressPool): unknown {
  return { PoolID: id, Pool: subnet, Data: {} };
}

/** The address of a `RequestAddress`. @throws {IpvlanError} The body is not what it should be. */
export function readRequestAddress(
  body: unknown,
): { pool: string; isGateway: boolean; claim: ClaimRequest } {
  const { PoolID, Address, Options } = readBody(ADDRESS, body);
  refuseOptions(Options);
  return {
    pool: PoolID,
    isGateway: Options?.RequestAddressType === "com.docker.network.gateway",
    claim: Address ? { address: Address } : {},
  };
}

function refuseOptions(given: Record<string, string> = {}): void {
  throwProblems(
    Object.keys(given).filter((name) => !DOCKERS_OWN.test(name))
      .map((name) => new InvalidOptionError("IPAM option", name, "there are none: leave it out")),
  );
}

/** The calls of an IPAM driver. */
export const IPAM_HANDLERS: Handlers = {
  "IpamDriver.GetCapabilities": () => Promise.resolve(CAPABILITIES),
  "IpamDriver.GetDefaultAddressSpaces": () => Promise.resolve(ADDRESS_SPACES),
  "IpamDriver.RequestPool": async (driver, body) =>
    poolAnswer(await driver.requestPool(readRequestPool(body))),
  "IpamDriver.ReleasePool": (driver, body) => {
    driver.releasePool(readBody(object({ PoolID: text }), body).PoolID);
    return Promise.resolve(DONE);
  },
  "IpamDriver.RequestAddress": (driver, body) => {
    const { pool, isGateway, claim } = readRequestAddress(body);
    const { address } = isGateway
      ? driver.claimGateway(pool, claim.address)
      : driver.claimAddress(pool, claim);
    return Promise.resolve({ Address: address, Data: {} });
  },
  "IpamDriver.ReleaseAddress": (driver, body) => {
    const { PoolID, Address } = readBody(object({ PoolID: text, Address: text }), body);
    driver.releaseAddress(PoolID, Address);
    return Promise.resolve(DONE);
  },
};
