// The IPAM drivers, and the options of `etcd`, by which a network or an engine takes its addresses from
// a pool in etcd: reads them from `--ipam-opt` and the environment, and checks them.
import { resolve } from "node:path";
import { accessProblems as claimsProblems, etcdOption, readAccess } from "../../claims/access.ts";
import type { EtcdAccess } from "../../claims/types.ts";
import { type Decision, invalidOption, type IpvlanError, problemOf } from "../../base/errors.ts";
import { didYouMean } from "../../base/suggest.ts";
import type { Network, NetworkIpam } from "./types.ts";

export const [ETCD, DHCP] = ["etcd", "dhcp"] as const;

/** The IPAM drivers, each with where the addresses of a network come from. */
export const IPAM_DRIVERS = {
  default: "this host gives the addresses",
  [ETCD]: "a pool that hosts share",
  [DHCP]: "the LAN's DHCP server",
};

export const IPAM_DRIVERS_HELP: string = Object.entries(IPAM_DRIVERS)
  .map(([driver, source]) => `${driver}: ${source}`).join("; ");

/** The IPAM driver of a network. `dhcp` stands for the option of that name. */
export function ipamDriver({ ipam, dhcp }: Pick<Network, "ipam" | "dhcp">): string {
  return dhcp ? DHCP : ipam?.driver ?? "default";
}

export interface IpamOption {
  /** Its name behind `--ipam-opt`, and with underscores in a site file. */
  name: string;
  help: string;
}

/** The options of the IPAM driver `etcd`, by the fields of {@linkcode EtcdAccess}. */
export const IPAM_OPTIONS: { readonly [Field in keyof EtcdAccess]-?: IpamOption } = {
  endpoints: { name: "endpoints", help: "the members of the etcd cluster: https://10.0.0.1:2379" },
  prefix: { name: "prefix", help: "what all keys begin with; left out, /ipvlan" },
  ca: { name: "ca", help: "the file with the authorities of the members' certificates" },
  cert: { name: "cert", help: "the file with this host's certificate" },
  key: { name: "key", help: "the file with the key of that certificate" },
  user: { name: "user", help: "the user of etcd" },
  passwordFile: {
    name: "password-file",
    help: "the file with the user's password, which only its owner may read",
  },
};

const FILES = ["ca", "cert", "key", "passwordFile"] as const;

export const IPAM_FIELDS = Object.keys(IPAM_OPTIONS) as (keyof EtcdAccess)[];

/** The names that `--ipam-opt` takes. */
export const IPAM_NAMES: readonly string[] = IPAM_FIELDS.map((field) => IPAM_OPTIONS[field].name);

/** The variable of the environment for an option: `IPVLAN_ETCD_PASSWORD_FILE`. */
export function variableOf(field: keyof EtcdAccess): string {
  return `IPVLAN_ETCD_${IPAM_OPTIONS[field].name.toUpperCase().replaceAll("-", "_")}`;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface IpamSurroundings {
  /** The folder of relative paths; left out, paths must be absolute. */
  folder?: string;
  /** The environment, for options that no word gives. */
  environment: Environment;
  readsFiles?: boolean;
}

/** The rule against a password on the command line. It does not repeat the password. */
const NO_PASSWORD = "every user of the machine can read the arguments of a command: write the " +
  "password into a file that only its owner may read, and give password-file=FILE";

/**
 * Reads options written as `NAME=VALUE`. A word may have several, separated by commas. Text without a
 * name after a comma belongs to the value before it: `endpoints=https://a:2379,https://b:2379`.
 */
export function readIpamOptions(
  words: readonly string[],
  { folder, environment, readsFiles }: IpamSurroundings,
): Decision<{ access: EtcdAccess }> {
  const problems: IpvlanError[] = [];
  const given = new Map<keyof EtcdAccess, string>();
  for (const word of words.flatMap(splitWord)) {
    const [, name, value] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
    const field = IPAM_FIELDS.find((each) => IPAM_OPTIONS[each].name === name);
    if (field === undefined) problems.push(unknownOption(name, word));
    else if (!value) problems.push(invalidOption("IPAM option", word, "write NAME=VALUE"));
    else if (given.has(field)) {
      problems.push(invalidOption("IPAM option", name!, "it is given twice"));
    } else given.set(field, value);
  }
  for (const field of IPAM_FIELDS) {
    const value = environment[variableOf(field)];
    if (value && !given.has(field)) given.set(field, value);
  }
  const { endpoints = "", ...rest } = Object.fromEntries(given);
  const typed = { ...rest, endpoints: endpoints.split(",").filter(Boolean) };
  const access = folder === undefined ? typed : absolute(typed, folder);
  problems.push(...accessProblems(access, readsFiles));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, access: settleAccess(access) };
}

/** Splits a word at each comma before an option. */
function splitWord(word: string): string[] {
  return word.split(/,(?=[A-Za-z][\w-]*=)/);
}

function unknownOption(name: string | undefined, word: string): IpvlanError {
  if (name === undefined) return invalidOption("IPAM option", word, "write NAME=VALUE");
  if (/^pass/i.test(name)) return invalidOption("IPAM option", name, NO_PASSWORD);
  const rule = `choose one of ${IPAM_NAMES.join(", ")}${didYouMean(name, IPAM_NAMES)}`;
  return invalidOption("IPAM option", name, rule);
}

/** Makes the paths of an access absolute, as each command has a folder of its own. */
function absolute(access: EtcdAccess, folder: string): EtcdAccess {
  const paths = FILES.flatMap((field) =>
    access[field] === undefined ? [] : [[field, resolve(folder, access[field])]]
  );
  return { ...access, ...Object.fromEntries(paths) };
}

/** The canonical form of an access: URLs without a slash at the end. A wrong one stays as it is. */
export function settleAccess({ endpoints, ...access }: EtcdAccess): EtcdAccess {
  const origins = endpoints.map((text) => URL.parse(text)?.origin ?? text);
  return { endpoints: [...new Set(origins)], ...access };
}

/** Finds all problems of an access. @param readsFiles Whether to check its files, too. */
export function accessProblems(access: EtcdAccess, readsFiles = false): IpvlanError[] {
  const { endpoints, ca, cert, key } = access;
  const problems = readsFiles ? [...fileProblems(access)] : claimsProblems(access);
  for (const field of FILES) {
    const path = access[field];
    if (path === undefined || path.startsWith("/")) continue;
    const rule = "give its path from / on";
    problems.push(etcdOption(IPAM_OPTIONS[field].name, path, rule));
  }
  const secured = [ca, cert, key].some((file) => file !== undefined);
  if (secured && endpoints.length > 0 && endpoints.every((text) => text.startsWith("http:"))) {
    const rule = "ca, cert and key are for https: write https, or leave them out";
    problems.push(etcdOption("endpoints", endpoints.join(","), rule));
  }
  return problems;
}

/** Finds the problems of an access and of its files, such as a file that other users may read. */
export function fileProblems(access: EtcdAccess): readonly IpvlanError[] {
  return problemOf(() => readAccess(access))?.problems ?? [];
}

/** The options of an access under the names that `--ipam-opt` takes. */
export function ipamEntries(access: EtcdAccess): [name: string, value: string][] {
  return IPAM_FIELDS.filter((field) => access[field] !== undefined)
    .map((field) => [IPAM_OPTIONS[field].name, String(access[field])]);
}

/** Shows the source of addresses: `etcd endpoints=https://a:2379,prefix=/x`. */
export function ipamText(ipam: NetworkIpam | undefined): string {
  if (!ipam) return "default";
  const options = ipamEntries(ipam.access).map((entry) => entry.join("="));
  return `${ipam.driver} ${options.join(",")}`;
}
