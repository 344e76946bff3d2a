import type { EtcdAccess } from "../../claims/types.ts";
import { IPAM_FIELDS } from "../../driver/model/ipam_options.ts";
import { NETWORK_OPTIONS, OPTION_NAMES } from "../../driver/model/options.ts";
import type { EndpointRoute } from "../../driver/model/types.ts";
import type { SubnetSpec } from "../../ipam/mod.ts";
import { didYouMean } from "../../base/suggest.ts";
import {
  anything,
  type Fields,
  fits,
  flag,
  isObject,
  kind,
  object,
  type Reader,
  text,
  whole,
} from "../../base/reader.ts";
import { list, optional, record } from "../json.ts";
import { UNSUPPORTED } from "./errors.ts";
import { dnsReader, resultReader, routesReader, toRoute } from "./result.ts";

/** The key for the attachments that GC keeps. */
export const VALID = "cni.dev/valid-attachments";

/** Reads a value that may be left out. It is left out, too, if it is wrong. */
function ifRight<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, reading) => {
    const before = reading.misfits.length;
    const part = optional(reader)(value, reading);
    return reading.misfits.length === before ? part : undefined;
  };
}

/** Reads an object with these keys and those of CNI. @param hides Whether values may be secrets. */
function only<T extends object>(
  fields: Fields<T>,
  wanted = "an object",
  hides = false,
): Reader<T | undefined> {
  const names = Object.keys(fields);
  return (value, reading) => {
    if (!isObject(value)) {
      reading.misfit(value, wanted);
      return undefined;
    }
    for (const [key, item] of Object.entries(value)) {
      if (names.includes(key) || key.startsWith("cni.dev/")) continue;
      const why = `${UNSUPPORTED}${didYouMean(key, names)}`;
      reading.part(key, () => reading.misfit(hides ? undefined : item, why), item);
    }
    return object(fields)(value, reading);
  };
}

const word = ifRight(text);
const number = ifRight(whole);
const onOrOff = ifRight(flag);
const onOrWord = ifRight(
  kind<boolean | string>(
    "true, false or a word",
    (value) => fits(flag, value) || fits(text, value),
  ),
);

const subnetKeys = only<SubnetSpec>({
  subnet: text,
  gateway: word,
  ipRange: word,
  auxAddresses: ifRight(record(text)),
}, 'a subnet such as "192.168.1.0/24"');

/** Reads subnets. Leaves out those that are wrong. */
const subnets: Reader<SubnetSpec[]> = (value, reading) => {
  if (!Array.isArray(value) || value.length === 0) {
    reading.misfit(value, "a list of subnets");
    return [];
  }
  const read = list((each, reading) =>
    typeof each === "string" ? { subnet: each } : subnetKeys(each, reading)
  )(value, reading);
  return read.filter((each) => typeof each?.subnet === "string") as SubnetSpec[];
};

/** Reads the access to the etcd in which hosts share the subnets. The driver checks it. */
const etcd: Reader<EtcdAccess | undefined> = (value, reading) => {
  if (value === undefined) return undefined;
  const words = Object.fromEntries(IPAM_FIELDS.map((field) => [field, word]));
  const fields = { ...words, endpoints: ifRight(list(text)) };
  const keys = only(fields, "an object with endpoints", true);
  const access = keys(value, reading);
  return access && { ...access, endpoints: access.endpoints ?? [] };
};

const routes: Reader<EndpointRoute[] | undefined> = (value, reading) =>
  ifRight(routesReader)(value, reading)?.map(toRoute);

const ipamKeys = only({ type: anything, subnets, routes, etcd });

/** The options of a network that a configuration may have, with their keys. */
export const OPTIONS = OPTION_NAMES.flatMap((name) => {
  const { cni: key, value: { kind } } = NETWORK_OPTIONS[name];
  const reader = kind === "number" ? number : kind === "switch" ? onOrWord : word;
  return key === undefined ? [] : [{ name, key, reader }];
});

const settledKeys = {
  ...Object.fromEntries(OPTIONS.map(({ key, reader }) => [key, reader])),
  vlan: number,
  subnets: optional(subnets),
  etcd,
};

/** The keys of all options, and others, that an existing network of `ipvlan` has already settled. */
export const SETTLED_BY_NETWORK: readonly string[] = [...Object.keys(settledKeys), "ipam"];

/** The keys that the specification has for every plugin, and whose values do not matter here. */
const COMMON = "cniVersion cniVersions name type capabilities runtimeConfig args".split(" ");

/** Reads the keys for a link. */
export const linkKeys = only({
  ...Object.fromEntries(COMMON.map((key) => [key, anything])),
  linkInContainer: onOrOff,
  keepAddresses: onOrOff,
  ...settledKeys,
  ipam: optional(ipamKeys),
  routes,
  network: word,
  dns: ifRight(dnsReader),
  prevResult: ifRight(resultReader),
});

/** Reads fields of an object. Takes any other value for an empty one. */
function section<T extends object>(fields: Fields<T>): Reader<T> {
  return (value, reading) => object(fields)(isObject(value) ? value : {}, reading);
}

/** Reads the section `ipam` of a plugin that uses this one as its IPAM plugin. */
export const ipamSection = section({ ipam: ipamKeys });

/** Reads the addresses that were asked for (CNI's CONVENTIONS.md). */
export const askedAddresses = section({
  runtimeConfig: section({ ips: ifRight(list(text)) }),
  args: section({ cni: section({ ips: ifRight(list(text)) }) }),
});

/** Reads the attachments that GC keeps. */
export const validAttachments = section({
  [VALID]: list(object({ containerID: text, ifname: text })),
});
