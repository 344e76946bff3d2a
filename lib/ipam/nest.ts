import { attempt, IpvlanError } from "../base/errors.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import type { AddressRole } from "../base/error_codes.ts";
import { contains, formatPrefix, parsePrefix, type Prefix } from "./prefix.ts";
import type { SubnetSpec } from "./subnet.ts";

/** Words that belong to subnets but stand beside them, as in `docker network create`. */
export interface LooseWords {
  /** Every `--gateway`, in any order. */
  readonly gateways: readonly string[];
  /** Every `--ip-range`, in any order. */
  readonly ipRanges: readonly string[];
  /** Every `--aux-address`, by its name. */
  readonly auxAddresses: Readonly<Record<string, string>>;
}

/** Subnets with the words that belong to them. */
export interface NestedSubnets {
  /** The subnets, in the order given. */
  subnets: SubnetSpec[];
  /** The words that belong to no subnet. A `field` starts with a field of {@linkcode LooseWords}. */
  problems: IpvlanError[];
}

/** A subnet and the words that lie in it. */
interface Home {
  spec: SubnetSpec;
  prefix: Prefix | undefined;
  gateways: string[];
  ranges: string[];
  auxAddresses: [name: string, address: string][];
}

/**
 * Puts each gateway, ip-range and auxiliary address into the subnet that contains it. `parseSubnets`
 * checks the subnets themselves.
 */
export function nestSubnets(specs: readonly SubnetSpec[], loose: LooseWords): NestedSubnets {
  const problems: IpvlanError[] = [];
  const homes = specs.map((spec): Home => {
    const parsed = attempt(() => parsePrefix(spec.subnet).prefix);
    return {
      spec,
      prefix: parsed.ok ? parsed.value : undefined,
      gateways: spec.gateway === undefined ? [] : [spec.gateway],
      ranges: spec.ipRange === undefined ? [] : [spec.ipRange],
      auxAddresses: Object.entries(spec.auxAddresses ?? {}),
    };
  });
  const readable = homes.flatMap(({ prefix }) => prefix ?? []);
  const homeOf = (role: AddressRole, inner: Address | Prefix): Home | undefined => {
    const home = homes.find(({ prefix }) => prefix && contains(prefix, inner));
    // If no subnet can be read, this problem only follows from that one.
    if (home || (homes.length > 0 && readable.length === 0)) return home;
    const text = "bits" in inner ? formatAddress(inner) : formatPrefix(inner);
    throw new IpvlanError("outside-subnet", {
      role,
      value: text,
      subnets: readable.map(formatPrefix),
    });
  };
  const place = (field: readonly (string | number)[], run: () => void) => {
    const result = attempt(run);
    if (!result.ok) problems.push(...result.problems.map((problem) => problem.at(...field)));
  };
  for (const [index, text] of loose.gateways.entries()) {
    place(["gateways", index], () => homeOf("gateway", parseAddress(text))?.gateways.push(text));
  }
  for (const [index, text] of loose.ipRanges.entries()) {
    const range = () => parsePrefix(text).prefix;
    place(["ipRanges", index], () => homeOf("ip-range", range())?.ranges.push(text));
  }
  for (const [name, text] of Object.entries(loose.auxAddresses)) {
    place(["auxAddresses", name], () => {
      homeOf("auxiliary address", parseAddress(text))?.auxAddresses.push([name, text]);
    });
  }
  for (const { prefix, gateways, ranges } of homes) {
    if (prefix === undefined) continue;
    const subnet = formatPrefix(prefix);
    if (gateways.length > 1) {
      problems.push(
        new IpvlanError("duplicate-in-subnet", { subnet, what: "gateway", values: gateways }).at(
          "gateways",
        ),
      );
    }
    if (ranges.length > 1) {
      problems.push(
        new IpvlanError("duplicate-in-subnet", { subnet, what: "ip-range", values: ranges }).at(
          "ipRanges",
        ),
      );
    }
  }
  return { subnets: homes.map(toSpec), problems };
}

function toSpec({ spec, gateways: [gateway], ranges: [ipRange], auxAddresses }: Home): SubnetSpec {
  return {
    subnet: spec.subnet,
    ...(gateway !== undefined && { gateway }),
    ...(ipRange !== undefined && { ipRange }),
    ...(auxAddresses.length > 0 && { auxAddresses: Object.fromEntries(auxAddresses) }),
  };
}
