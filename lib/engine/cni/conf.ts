import type { EtcdAccess } from "../../claims/types.ts";
import { accessProblems, IPAM_FIELDS } from "../../driver/model/ipam_options.ts";
import { attempt, type IpvlanErrorOf } from "../../base/errors.ts";
import { NETWORK_OPTIONS, OPTION_NAMES } from "../../driver/model/options.ts";
import type { EndpointRoute, NetworkOptions } from "../../driver/model/types.ts";
import { type Family, familyOf, formatAddress, parseAddress } from "../../ipam/address.ts";
import type { SubnetSpec } from "../../ipam/mod.ts";
import { didYouMean } from "../../base/suggest.ts";
import { isObject, object, type Reader, show, text } from "../../base/reader.ts";
import { list, optional, parseRequest } from "../json.ts";
import type { AttachmentKey, CniCommand } from "./environment.ts";
import { cniError, CODE } from "./errors.ts";
import {
  type Dns,
  dnsReader,
  readPart,
  type Result,
  resultReader,
  routesReader,
} from "./result.ts";
import {
  CNI_VERSIONS,
  type CniVersion,
  isAtLeast,
  isCniVersion,
  PLUGIN_NAME,
  SINCE,
  versionOf,
} from "./version.ts";

/** The source of the addresses of a network's links. */
export type AddressSource =
  /** A network of `ipvlan`'s own, by its name. */
  | { kind: "network"; network: string }
  /** Subnets of the configuration, from which the driver gives addresses; with etcd if shared. */
  | { kind: "subnets"; subnets: SubnetSpec[]; etcd?: EtcdAccess }
  /** An IPAM plugin, which this plugin runs. */
  | { kind: "ipam"; type: string }
  /** The result of the plugin before this one in a chain. */
  | { kind: "previous" };

/** A configuration of the plugin. */
export interface Conf {
  /** Its version of the specification. */
  cniVersion: CniVersion;
  /** The network's name. */
  name: string;
  /** Whether another plugin makes the link, and uses this one only as its IPAM plugin. */
  isIpam: boolean;
  /** The parent; left out, the link of the default route. */
  master?: string;
  /**
   * Whether the parent is a link of the container, which another plugin or the runtime has put there.
   * Without a master, it is the link of the container's default route.
   */
  linkInContainer: boolean;
  /** The VLAN on the parent. */
  vlan?: number;
  /** The other options of the network. */
  options: Partial<Omit<NetworkOptions, "parent">>;
  /** The source of the addresses. */
  source: AddressSource;
  /** The routes of the link; left out, those of the IPAM plugin or of the network. */
  routes?: EndpointRoute[];
  /** The addresses that were asked for, at most one of each family. */
  ips: string[];
  /** The name servers for the result. */
  dns?: Dns;
  /** The result of the plugins before this one; for CHECK, of the whole ADD. */
  previous?: Result;
  /** The attachments that GC keeps. */
  valid: AttachmentKey[];
}

/** A configuration, as far as it could be read, and its problems. */
export interface ReadConf {
  /** The configuration. */
  conf: Conf;
  /** The problems. */
  problems: IpvlanErrorOf<"cni">[];
}

/** The keys that the specification has for every plugin. */
const COMMON_KEYS = [
  ...["cniVersion", "cniVersions", "name", "type", "capabilities", "runtimeConfig", "args"],
  ...["prevResult", "dns", "ipam"],
];

/** The keys of all options, and others, that an existing network of `ipvlan` has already settled. */
const SETTLED_BY_NETWORK = [
  ...OPTION_NAMES.flatMap((name) => NETWORK_OPTIONS[name].cni ?? []),
  ...["vlan", "subnets", "ipam", "etcd"],
];

/** The keys of the plugin. */
const OWN_KEYS = [...SETTLED_BY_NETWORK, "linkInContainer", "routes", "network"];

/** The keys of a section `ipam` for this plugin. */
const IPAM_KEYS = ["type", "subnets", "routes", "etcd"];

/** The keys of a subnet. */
const SUBNET_KEYS = ["subnet", "gateway", "ipRange", "auxAddresses"];

/** The key for the attachments that GC keeps. */
const VALID = "cni.dev/valid-attachments";

/** The network name (CNI 1.1, section 1). */
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/**
 * Reads a configuration that the runtime gives to a plugin (CNI 1.1, section 3, "Deriving request
 * configuration"). An unknown key is a problem. DEL and GC read only what they need, so that they can
 * remove a container after its configuration has changed.
 *
 * @param askedFor An address that the environment asks for.
 */
export function readConf(text: string, command: CniCommand, askedFor?: string): ReadConf {
  return new ConfReader(command, askedFor).read(text);
}

/** Reads one configuration, and collects its problems. */
class ConfReader {
  readonly #problems: IpvlanErrorOf<"cni">[] = [];
  readonly #command: CniCommand;
  readonly #askedFor: string | undefined;

  constructor(command: CniCommand, askedFor: string | undefined) {
    this.#command = command;
    this.#askedFor = askedFor;
  }

  read(text: string): ReadConf {
    const conf: Conf = {
      cniVersion: versionOf(text),
      name: "",
      isIpam: false,
      linkInContainer: false,
      options: {},
      source: { kind: "previous" },
      ips: [],
      valid: [],
    };
    const values = this.#parse(text);
    if (values) this.#fill(conf, values);
    return { conf, problems: this.#problems };
  }

  #report(code: number, sentence: string): void {
    this.#problems.push(cniError(code, sentence));
  }

  /** Reports that a value is not valid. */
  readonly #wrong = (sentence: string): void => this.#report(CODE.conf, sentence);

  /** Reports a key that is not supported; the sentence has the key and its value. */
  #unsupported(key: string, value: unknown, why: string): void {
    this.#report(CODE.unsupported, `The key "${key}" with the value ${show(value)} ${why}`);
  }

  /**
   * Parses the JSON. A key that is null counts as left out, as in Go programs. The list of valid
   * attachments does not: Go programs write null for an empty list.
   */
  #parse(text: string): Record<string, unknown> | undefined {
    const parsed = parseRequest(text);
    if ("reason" in parsed) {
      this.#report(CODE.decoding, `The configuration on standard input ${parsed.reason}`);
      return undefined;
    }
    const { value } = parsed;
    if (!isObject(value)) {
      this.#report(CODE.decoding, `The configuration is ${show(value)}, and no object`);
      return undefined;
    }
    const isGiven = ([key, each]: [string, unknown]) => each !== null || key === VALID;
    return Object.fromEntries(Object.entries(value).filter(isGiven));
  }

  #fill(conf: Conf, values: Record<string, unknown>): void {
    this.#checkVersion(values);
    const { name, type } = values;
    if (typeof name === "string" && NAME.test(name)) conf.name = name;
    else this.#wrong(`The network's name is ${show(name)}: give letters, digits, and _ . -`);
    const ipam = this.#readIpam(values);
    const ipamType = typeof ipam?.type === "string" ? ipam.type : undefined;
    conf.isIpam = ipamType === PLUGIN_NAME && type !== PLUGIN_NAME;
    if (ipamType !== undefined && ipamType !== PLUGIN_NAME) {
      conf.source = { kind: "ipam", type: ipamType };
    }
    if (this.#command === "GC") conf.valid = this.#readValid(values[VALID]);
    if (this.#command === "GC" || this.#command === "DEL") return;
    if (conf.isIpam) {
      const subnets = this.#readSubnets(ipam!.subnets, "ipam.subnets");
      conf.source = { kind: "subnets", subnets, ...this.#readEtcd(ipam!.etcd, "ipam.etcd") };
      conf.routes = this.#readRoutes(ipam!.routes, "ipam.routes");
    } else {
      this.#fillLink(conf, values, ipam);
      this.#refuseCapabilities(conf.source, values);
    }
    // Another IPAM plugin itself reads the addresses that were asked for.
    if (conf.source.kind !== "ipam") conf.ips = this.#readIps(values);
  }

  #checkVersion({ cniVersion }: Record<string, unknown>): void {
    if (!isCniVersion(cniVersion)) {
      const sentence = `The version ${show(cniVersion ?? "")} of the configuration is not ` +
        `supported: write one of ${CNI_VERSIONS.join(", ")} as its cniVersion`;
      this.#report(CODE.version, sentence);
      return;
    }
    const since = SINCE[this.#command];
    if (since !== undefined && !isAtLeast(cniVersion, since)) {
      const sentence = `The version ${cniVersion} of the configuration has no ${this.#command}: ` +
        `write ${since} or later as its cniVersion`;
      this.#report(CODE.version, sentence);
    }
  }

  /** Reads the section `ipam`, if there is one with a type. */
  #readIpam({ ipam }: Record<string, unknown>): Record<string, unknown> | undefined {
    if (ipam === undefined) return undefined;
    if (!isObject(ipam)) {
      this.#wrong(`The key "ipam" is ${show(ipam)}, and no object`);
      return undefined;
    }
    const { type } = ipam;
    // An empty section counts as left out, as for the reference plugins.
    if (type === undefined || type === "") return undefined;
    if (typeof type !== "string" || type.includes("/") || type.startsWith(".")) {
      this.#wrong(`The type of "ipam" is ${show(type)}: give the file name of a plugin`);
      return undefined;
    }
    if (type === PLUGIN_NAME) this.#refuseOthers(ipam, IPAM_KEYS, "ipam.");
    return ipam;
  }

  /** Reports the unknown keys. */
  #refuseOthers(values: Record<string, unknown>, known: readonly string[], prefix = ""): void {
    for (const [key, value] of Object.entries(values)) {
      if (known.includes(key) || key.startsWith("cni.dev/")) continue;
      this.#unsupported(`${prefix}${key}`, value, `is not supported${didYouMean(key, known)}`);
    }
  }

  #fillLink(
    conf: Conf,
    values: Record<string, unknown>,
    ipam: Record<string, unknown> | undefined,
  ): void {
    this.#refuseOthers(values, [...COMMON_KEYS, ...OWN_KEYS]);
    conf.linkInContainer = this.#readLinkInContainer(values);
    const { parent, ...options } = this.#readOptions(values);
    if (parent !== undefined) conf.master = parent;
    conf.vlan = this.#readNumber("vlan", values.vlan);
    conf.options = options;
    const dns = this.#read(dnsReader, values.dns, "dns");
    if (dns) conf.dns = dns;
    const chained = this.#command === "ADD" || this.#command === "CHECK";
    if (chained && values.prevResult !== undefined) {
      conf.previous = this.#read(resultReader, values.prevResult, "prevResult");
    }
    this.#fillSource(conf, values, ipam);
    const isWrong = values.prevResult !== undefined && conf.previous === undefined;
    if (this.#command === "ADD" && !isWrong) this.#followPrevious(conf);
    if (this.#command === "CHECK" && values.prevResult === undefined) {
      this.#wrong('The key "prevResult" is missing: CHECK needs the result of ADD');
    }
  }

  /** Finds the source of the addresses, and refuses keys that contradict it. */
  #fillSource(
    conf: Conf,
    values: Record<string, unknown>,
    ipam: Record<string, unknown> | undefined,
  ): void {
    const network = this.#read(optional(text), values.network, "network");
    const own = ipam?.type === PLUGIN_NAME ? ipam : undefined;
    if (network !== undefined) {
      const others = SETTLED_BY_NETWORK.filter((key) => values[key] !== undefined);
      for (const key of others) {
        this.#wrong(`The key "${key}" does not go with "network": the network has it already`);
      }
      conf.source = { kind: "network", network };
    } else if (values.subnets !== undefined || own) {
      if (values.subnets !== undefined && ipam) {
        this.#wrong('The key "subnets" does not go with "ipam": leave one of the two out');
      }
      const subnets = own
        ? this.#readSubnets(own.subnets, "ipam.subnets")
        : this.#readSubnets(values.subnets, "subnets");
      const etcd = own
        ? this.#readEtcd(own.etcd, "ipam.etcd")
        : this.#readEtcd(values.etcd, "etcd");
      conf.source = { kind: "subnets", subnets, ...etcd };
    } else if (values.etcd !== undefined) {
      this.#wrong('The key "etcd" needs "subnets": hosts share the addresses of these');
    }
    const routes = own?.routes ?? values.routes;
    if (routes === undefined) return;
    if (conf.source.kind === "ipam" || conf.source.kind === "previous") {
      this.#wrong(
        'The key "routes" needs "subnets" or "network": other routes come with addresses',
      );
    }
    conf.routes = this.#readRoutes(routes, "routes");
  }

  /** Takes addresses and master from the plugin before this one, as the reference plugin does. */
  #followPrevious(conf: Conf): void {
    const { previous, source } = conf;
    if (source.kind === "previous" && !previous?.ips.length) {
      this.#wrong('Nothing says where addresses come from: give "subnets", "ipam" or "network"');
    }
    if (conf.master !== undefined || source.kind === "network" || previous === undefined) return;
    const [only, ...others] = previous.interfaces;
    if (only?.name && others.length === 0) conf.master = only.name;
    else this.#wrong('The key "master" is missing, and prevResult has not exactly one interface');
  }

  /** Reads whether the parent is a link of the container, and refuses keys for one of the host. */
  #readLinkInContainer(values: Record<string, unknown>): boolean {
    const { linkInContainer = false } = values;
    if (typeof linkInContainer !== "boolean") {
      this.#wrong(`The key "linkInContainer" is ${show(linkInContainer)}: give true or false`);
    }
    if (linkInContainer !== true) return false;
    const refused = (key: string, why: string) => {
      if (values[key] === undefined) return;
      this.#wrong(`The key "${key}" does not go with "linkInContainer": ${why}`);
    };
    refused("vlan", 'make the VLAN link in the container first, and name it as the "master"');
    refused("network", "the parent of that network is a link of the host");
    return true;
  }

  /** Reads the options of the network. Settling the network finds their problems. */
  #readOptions(values: Record<string, unknown>): Partial<NetworkOptions> {
    return Object.fromEntries(OPTION_NAMES.flatMap((name) => {
      const { cni: key, value: { kind } } = NETWORK_OPTIONS[name];
      if (key === undefined) return [];
      const value = kind === "number"
        ? this.#readNumber(key, values[key])
        : this.#read(optional(text), values[key], key);
      // An empty value counts as left out, as for the reference plugin.
      return value ? [[name, value]] : [];
    }));
  }

  #readNumber(key: string, value: unknown): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isInteger(value)) return value;
    this.#wrong(`The key "${key}" is ${show(value)}: give a whole number`);
  }

  #readSubnets(value: unknown, path: string): SubnetSpec[] {
    if (!Array.isArray(value) || value.length === 0) {
      this.#wrong(`The key "${path}" is ${show(value)}: give a list of subnets`);
      return [];
    }
    return value.map((each, index): SubnetSpec => {
      if (typeof each === "string") return { subnet: each };
      const place = `${path}[${index}]`;
      if (!isObject(each)) {
        this.#wrong(`${place} is ${show(each)}: give a subnet such as "192.168.1.0/24"`);
        return { subnet: "" };
      }
      this.#refuseOthers(each, SUBNET_KEYS, `${place}.`);
      const word = (key: string) => this.#read(optional(text), each[key], `${place}.${key}`);
      const aux = each.auxAddresses ?? {};
      if (!isObject(aux) || !Object.values(aux).every((value) => typeof value === "string")) {
        this.#wrong(`${place}.auxAddresses is ${show(aux)}: give addresses by name`);
      }
      return {
        subnet: word("subnet") ?? "",
        gateway: word("gateway"),
        ipRange: word("ipRange"),
        auxAddresses: aux as Record<string, string>,
      };
    });
  }

  /** Reads the access to the etcd in which hosts share the subnets. */
  #readEtcd(value: unknown, path: string): { etcd?: EtcdAccess } {
    if (value === undefined) return {};
    if (!isObject(value)) {
      this.#wrong(`The key "${path}" is ${show(value)}: give an object with endpoints`);
      return {};
    }
    for (const key of Object.keys(value)) {
      if (IPAM_FIELDS.includes(key as keyof EtcdAccess)) continue;
      // The value may be a secret.
      this.#report(
        CODE.unsupported,
        `The key "${path}.${key}" is not supported${didYouMean(key, IPAM_FIELDS)}`,
      );
    }
    const { endpoints = [] } = value;
    const isList = Array.isArray(endpoints) && endpoints.every((each) => typeof each === "string");
    if (!isList) this.#wrong(`${path}.endpoints is ${show(endpoints)}: give a list of URLs`);
    const texts = IPAM_FIELDS.filter((field) => field !== "endpoints").map((field) => [
      field,
      this.#read(optional(text), value[field], `${path}.${field}`),
    ]).filter(([, text]) => text !== undefined);
    const access: EtcdAccess = {
      ...Object.fromEntries(texts),
      endpoints: isList ? endpoints : [],
    };
    for (const { message } of accessProblems(access)) this.#wrong(`${path}: ${message}`);
    return { etcd: access };
  }

  /** Reports capabilities that the plugin does not have. An IPAM plugin may have them. */
  #refuseCapabilities({ kind }: AddressSource, { runtimeConfig }: Record<string, unknown>): void {
    if (!isObject(runtimeConfig)) return;
    for (const [key, value] of Object.entries(runtimeConfig)) {
      if (key === "mac") {
        const why = "is not supported: an ipvlan link has the MAC address of its parent";
        this.#unsupported("runtimeConfig.mac", value, why);
      } else if (key !== "ips" && kind !== "ipam") {
        const why = "is not supported: take this capability out of the configuration";
        this.#unsupported(`runtimeConfig.${key}`, value, why);
      }
    }
  }

  /** Reads the addresses that were asked for (CNI's CONVENTIONS.md). */
  #readIps({ runtimeConfig, args }: Record<string, unknown>): string[] {
    const runtime = isObject(runtimeConfig) ? runtimeConfig : {};
    const cni = isObject(args) && isObject(args.cni) ? args.cni : {};
    const texts = [
      ...this.#read(list(text), runtime.ips, "runtimeConfig.ips") ?? [],
      ...this.#read(list(text), cni.ips, "args.cni.ips") ?? [],
      // Addresses in "args" replace this one.
      ...cni.ips === undefined && this.#askedFor !== undefined ? [this.#askedFor] : [],
    ];
    const ips = new Set<string>();
    for (const text of texts) {
      const read = attempt(() => formatAddress(parseAddress(text.split("/")[0]!)));
      if (read.ok) ips.add(read.value);
      else for (const { message } of read.problems) this.#wrong(message);
    }
    for (const family of [4, 6] satisfies Family[]) {
      const same = [...ips].filter((ip) => familyOf(ip) === family);
      if (same.length > 1) {
        this.#wrong(
          `Two IPv${family} addresses were asked for, and a link has one: ${same.join(", ")}`,
        );
      }
    }
    return [...ips];
  }

  #readRoutes(value: unknown, path: string): EndpointRoute[] {
    return (this.#read(routesReader, value, path) ?? [])
      .map(({ dst, gw }) => gw === undefined ? { dst } : { dst, via: gw });
  }

  #read<T>(reader: Reader<T>, value: unknown, path: string): T | undefined {
    return readPart(reader, value, path, this.#wrong);
  }

  #readValid(value: unknown): AttachmentKey[] {
    if (value === undefined) {
      this.#wrong(`The key "${VALID}" is missing: GC removes what is not in it`);
    }
    const attachments = list(object({ containerID: text, ifname: text }));
    return (this.#read(attachments, value, VALID) ?? [])
      .map(({ containerID, ifname }) => ({ containerId: containerID, ifname }));
  }
}
