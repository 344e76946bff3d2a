/**
 * Arbitraries for property tests: links of every kind, addresses, prefixes, and settings of sandboxes.
 *
 * @module
 */
import fc from "fast-check";
import type { SandboxSettings } from "../../lib/driver/model/types.ts";
import {
  type Address,
  type Family,
  formatAddress,
  parsePrefix,
  type Prefix,
} from "../../lib/ipam/mod.ts";
import { IPVLAN_FLAGS, IPVLAN_MODES, MACVLAN_MODES } from "../../lib/iproute2/kinds/ipvlan.ts";
import type { LinkBase } from "../../lib/iproute2/kinds/kind.ts";
import { VLAN_PROTOCOLS } from "../../lib/iproute2/kinds/vlan.ts";
import { KINDS, type LinkSpec, type LinkType } from "../../lib/iproute2/link_types.ts";
import "./seed.ts";

/** The spec of a kind of link. */
export type SpecOf<Type extends LinkType> = Extract<LinkSpec, { type: Type }>;

/** An arbitrary for each attribute of a spec: the compiler names one that is missing. */
type Drawn<Spec> = {
  [Name in Exclude<keyof Spec, keyof LinkBase | "type">]-?: fc.Arbitrary<NonNullable<Spec[Name]>>;
};

/** The name of the link below all links that are drawn. */
export const BELOW = "below";

const below = fc.constant(BELOW);
const onIpvlan = {
  link: below,
  mode: fc.constantFrom(...IPVLAN_MODES),
  flag: fc.constantFrom(...IPVLAN_FLAGS),
};
const onMacvlan = { link: below, mode: fc.constantFrom(...MACVLAN_MODES) };
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

/** The arbitraries of each kind's attributes. */
export const DRAWN: { [Type in LinkType]: Drawn<SpecOf<Type>> } = {
  dummy: {},
  veth: { peer: fc.constant({ name: "peer" }) },
  vlan: {
    link: below,
    id: fc.integer({ min: 1, max: 4094 }),
    protocol: fc.constantFrom(...VLAN_PROTOCOLS),
    reorderHdr: fc.boolean(),
    gvrp: fc.boolean(),
    mvrp: fc.boolean(),
    looseBinding: fc.boolean(),
    bridgeBinding: fc.boolean(),
  },
  ipvlan: onIpvlan,
  ipvtap: onIpvlan,
  macvlan: onMacvlan,
  macvtap: onMacvlan,
  bridge: {
    vlanFiltering: fc.boolean(),
    vlanProtocol: fc.constantFrom(...VLAN_PROTOCOLS),
    vlanStats: fc.boolean(),
  },
  vrf: { table: u32.filter((table) => table > 0) },
};

/** The attributes that a spec must have. */
type RequiredNames<Spec> = {
  [Name in keyof Drawn<Spec> & keyof Spec]: undefined extends Spec[Name] ? never : Name;
}[keyof Drawn<Spec> & keyof Spec];

/** The attributes that each kind must have: the compiler names one that is missing. */
const REQUIRED: { [Type in LinkType]: Record<RequiredNames<SpecOf<Type>>, true> } = {
  dummy: {},
  veth: { peer: true },
  vlan: { link: true, id: true },
  ipvlan: { link: true, mode: true },
  ipvtap: { link: true, mode: true },
  macvlan: { link: true },
  macvtap: { link: true },
  bridge: {},
  vrf: { table: true },
};

/** Draws a link of a kind that the kernel accepts: all required attributes, and some others. */
export function anySpec(type: LinkType, name: string): fc.Arbitrary<LinkSpec> {
  const drawn: Record<string, fc.Arbitrary<unknown>> = DRAWN[type];
  const requiredKeys = Object.keys(REQUIRED[type]);
  return fc.record(drawn, { requiredKeys }).map((
    attributes,
  ) => ({ type, name, ...attributes } as LinkSpec));
}

/** Draws a link of any kind. */
export const anyLink: fc.Arbitrary<LinkSpec> = fc.constantFrom(...Object.keys(KINDS))
  .chain((type) => anySpec(type as LinkType, "x"));

const width = (family: Family) => family === 4 ? 32 : 128;

/** Draws an address, except IPv4-mapped ones, which have no notation of their own. */
export function address(family?: Family): fc.Arbitrary<Address> {
  const of = (family: Family) =>
    fc.bigInt(0n, (1n << BigInt(width(family))) - 1n)
      .filter((bits) => family === 4 || bits >> 32n !== 0xffffn)
      .map((bits) => ({ family, bits }));
  return family ? of(family) : fc.oneof(of(4), of(6));
}

/** Draws a prefix with `least` to `most` host bits. */
export function prefix(family: Family, least: number, most: number): fc.Arbitrary<Prefix> {
  return fc.tuple(address(family), fc.integer({ min: least, max: most })).map((
    [inside, hostBits],
  ) => parsePrefix(`${formatAddress(inside)}/${width(family) - hostBits}`).prefix);
}

/** Draws a prefix of either family. */
export function anyPrefix(): fc.Arbitrary<Prefix> {
  return fc.oneof(prefix(4, 0, 32), prefix(6, 0, 128));
}

const domain = fc.stringMatching(/^[a-z]([\w-]{0,5}\w)?(\.[a-z0-9]{1,5}){0,2}$/);
const addressText = address().map(formatAddress);

/** An arbitrary for each setting of a sandbox: the compiler names one that is missing. */
const SETTINGS: {
  [Name in keyof SandboxSettings]-?: fc.Arbitrary<NonNullable<SandboxSettings[Name]>>;
} = {
  hostname: domain,
  hosts: fc.array(fc.record({ name: domain, address: addressText }), {
    minLength: 1,
    maxLength: 4,
  }),
  dns: fc.record({
    servers: fc.array(addressText, { maxLength: 3 }),
    search: fc.array(fc.oneof(domain, fc.constant(".")), { maxLength: 3 }),
    options: fc.array(fc.stringMatching(/^[a-z][\w:.-]{0,8}$/), { maxLength: 2 }),
  }, { requiredKeys: [] }).filter((dns) => Object.keys(dns).length > 0),
  sysctls: fc.dictionary(
    fc.stringMatching(/^net(\.[a-z0-9_]{1,6}){1,3}$/),
    fc.stringMatching(/^[\w.,:\/+-][\w .,:\/+-]{0,8}$/),
    { minKeys: 1, maxKeys: 3 },
  ),
};

/** Draws settings that a sandbox can have: all, some or none of them. */
export const anySettings: fc.Arbitrary<SandboxSettings> = fc.record(SETTINGS, {
  requiredKeys: [],
});
