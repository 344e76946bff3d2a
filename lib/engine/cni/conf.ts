import type { EtcdAccess } from "../../claims/types.ts";
import { attempt, type IpvlanErrorOf } from "../../base/errors.ts";
import { isObject, read, type Reader, show } from "../../base/reader.ts";
import type { EndpointRoute, NetworkOptions } from "../../driver/model/types.ts";
import { addressIn } from "../../ipam/address.ts";
import type { SubnetSpec } from "../../ipam/mod.ts";
import { parseRequest } from "../json.ts";
import { PLUGIN_NAME } from "../plugins.ts";
import {
  askedAddresses,
  ipamSection,
  linkKeys,
  OPTIONS,
  SETTLED_BY_NETWORK,
  VALID,
  validAttachments,
} from "./conf_keys.ts";
import { type AttachmentKey, type CniCommand, NAME } from "./environment.ts";
import { cniError, CODE, misfitError, UNSUPPORTED } from "./errors.ts";
import type { Dns, Result } from "./result.ts";
import { CNI_VERSIONS, isAtLeast, isCniVersion, SINCE } from "./version.ts";

/** The source of the addresses of a network's links. */
type AddressSource =
  /** A network of `ipvlan`'s own, by its name. */
  | { kind: "network"; network: string }
  /** Subnets of the configuration, from which the driver gives addresses; with etcd if shared. */
  | { kind: "subnets"; subnets: SubnetSpec[]; etcd?: EtcdAccess }
  /** An IPAM plugin, which this plugin runs. */
  | { kind: "ipam"; type: string }
  /** The result of the plugin before this one in a chain. */
  | { kind: "previous" };

export interface Conf {
  name: string;
  /** Whether another plugin makes the link, and uses this one only as its IPAM plugin. */
  isIpam: boolean;
  /** The parent; left out, the link of the default route. */
  master?: string;
  /** Whether the parent is a link of the container; without a master, that of its default route. */
  linkInContainer: boolean;
  /** Whether a pod keeps its addresses for the next one of its name. */
  keepAddresses: boolean;
  vlan?: number;
  options: Partial<Omit<NetworkOptions, "parent">>;
  source: AddressSource;
  /** The routes of the link; left out, those of the IPAM plugin or of the network. */
  routes?: EndpointRoute[];
  /** The addresses that were asked for. */
  ips: string[];
  dns?: Dns;
  /** The result of the plugins before this one; for CHECK, of the whole ADD. */
  previous?: Result;
  /** The attachments that GC keeps. */
  valid: AttachmentKey[];
}

/**
 * Reads a configuration (CNI 1.1, section 3), and collects its problems, such as unknown keys. DEL and
 * GC read only what they need, so that a container can be removed after a change of it.
 */
export class ConfReader {
  readonly #problems: IpvlanErrorOf<"cni">[] = [];

  constructor(
    private readonly command: CniCommand,
    private readonly askedFor: string | undefined,
  ) {}

  read(text: string): { conf: Conf; problems: IpvlanErrorOf<"cni">[] } {
    const conf: Conf = {
      name: "",
      isIpam: false,
      linkInContainer: false,
      keepAddresses: false,
      options: {},
      source: { kind: "previous" },
      ips: [],
      valid: [],
    };
    const values = this.#parse(text);
    if (values) this.#fill(conf, values);
    return { conf, problems: this.#problems };
  }

  #wrong(sentence: string, code: number = CODE.conf): void {
    this.#problems.push(cniError(code, sentence));
  }

  #read<T>(reader: Reader<T>, value: unknown): T {
    const { value: part, misfits } = read(reader, value);
    this.#problems.push(...misfits.map(misfitError));
    return part;
  }

  /** Parses the JSON. As in Go programs, null counts as left out, but for the valid attachments. */
  #parse(text: string): Record<string, unknown> | undefined {
    const parsed = parseRequest(text);
    if ("value" in parsed && isObject(parsed.value)) {
      const isGiven = ([key, each]: [string, unknown]) => each !== null || key === VALID;
      return Object.fromEntries(Object.entries(parsed.value).filter(isGiven));
    }
    const reason = "reason" in parsed
      ? `on standard input ${parsed.reason}`
      : `is ${show(parsed.value)}, and no object`;
    this.#wrong(`The configuration ${reason}`, CODE.decoding);
  }

  #fill(conf: Conf, values: Record<string, unknown>): void {
    this.#checkVersion(values);
    const { name, type } = values;
    if (typeof name === "string" && NAME.test(name)) conf.name = name;
    else this.#wrong(`The network's name is ${show(name)}: give letters, digits, and _ . -`);
    const ipamType = this.#ipamType(values);
    conf.isIpam = ipamType === PLUGIN_NAME && type !== PLUGIN_NAME;
    if (ipamType !== undefined && ipamType !== PLUGIN_NAME) {
      conf.source = { kind: "ipam", type: ipamType };
    }
    if (this.command === "GC") {
      if (values[VALID] === undefined) {
        this.#wrong(`The key "${VALID}" is missing: GC removes what is not in it`);
      }
      conf.valid = this.#read(validAttachments, values)[VALID]
        .map(({ containerID, ifname }) => ({ containerId: containerID, ifname }));
    }
    if (this.command === "GC" || this.command === "DEL") return;
    if (conf.isIpam) {
      const { subnets, etcd, routes } = this.#read(ipamSection, values).ipam!;
      conf.source = { kind: "subnets", subnets, ...etcd && { etcd } };
      conf.routes = routes;
    } else {
      this.#fillLink(conf, values, ipamType);
      this.#refuseCapabilities(conf.source, values);
    }
    // Another IPAM plugin itself reads the addresses that were asked for.
    if (conf.source.kind !== "ipam") conf.ips = this.#readIps(values);
  }

  #checkVersion({ cniVersion }: Record<string, unknown>): void {
    if (!isCniVersion(cniVersion)) {
      const sentence = `The version ${show(cniVersion ?? "")} of the configuration is not ` +
        `supported: write one of ${CNI_VERSIONS.join(", ")} as its cniVersion`;
      return this.#wrong(sentence, CODE.version);
    }
    const since = SINCE[this.command];
    if (since !== undefined && !isAtLeast(cniVersion, since)) {
      const sentence = `The version ${cniVersion} of the configuration has no ${this.command}: ` +
        `write ${since} or later as its cniVersion`;
      this.#wrong(sentence, CODE.version);
    }
  }

  #ipamType({ ipam }: Record<string, unknown>): string | undefined {
    if (ipam === undefined) return undefined;
    if (!isObject(ipam)) {
      this.#wrong(`The key "ipam" is ${show(ipam)}, and no object`);
      return undefined;
    }
    const { type } = ipam;
    // An empty section counts as left out, as for the reference plugins.
    if (type === undefined || type === "") return undefined;
    if (typeof type === "string" && !type.includes("/") && !type.startsWith(".")) return type;
    this.#wrong(`The type of "ipam" is ${show(type)}: give the file name of a plugin`);
  }

  #fillLink(conf: Conf, values: Record<string, unknown>, ipamType: string | undefined): void {
    const unread = [
      ...values.network !== undefined ? SETTLED_BY_NETWORK : [],
      ...ipamType !== PLUGIN_NAME ? ["ipam"] : [],
      ...this.command === "STATUS" ? ["prevResult"] : [],
    ];
    const left = Object.entries(values).filter(([key]) => !unread.includes(key));
    const keys = this.#read(linkKeys, Object.fromEntries(left))!;
    const given = keys as Record<string, unknown>;
    const { parent, ...options }: Partial<NetworkOptions> = Object.fromEntries(
      // An empty value counts as left out, as for the reference plugin.
      OPTIONS.flatMap(({ name, key }) => given[key] ? [[name, given[key]]] : []),
    );
    if (parent !== undefined) conf.master = parent;
    conf.vlan = keys.vlan;
    conf.options = options;
    conf.linkInContainer = keys.linkInContainer ?? false;
    conf.keepAddresses = keys.keepAddresses ?? false;
    if (keys.dns) conf.dns = keys.dns;
    conf.previous = keys.prevResult;
    conf.routes = keys.ipam?.routes ?? keys.routes;
    if (keys.network !== undefined) {
      conf.source = { kind: "network", network: keys.network };
    } else if (values.subnets !== undefined || keys.ipam) {
      const { subnets = [], etcd } = keys.ipam ?? keys;
      conf.source = { kind: "subnets", subnets, ...etcd && { etcd } };
    }
    this.#refuseContradictions(conf, values, ipamType);
    const isWrong = values.prevResult !== undefined && conf.previous === undefined;
    if (this.command === "ADD" && !isWrong) this.#followPrevious(conf);
    if (this.command === "CHECK" && values.prevResult === undefined) {
      this.#wrong('The key "prevResult" is missing: CHECK needs the result of ADD');
    }
  }

  #refuseContradictions(
    { linkInContainer, keepAddresses, source: { kind } }: Conf,
    values: Record<string, unknown>,
    ipamType: string | undefined,
  ): void {
    const refuse = (key: string, other: string, why: string) => {
      if (values[key] === undefined) return;
      this.#wrong(`The key "${key}" does not go with "${other}": ${why}`);
    };
    if (values.network !== undefined) {
      for (const key of SETTLED_BY_NETWORK) refuse(key, "network", "the network has it already");
    } else if (ipamType !== undefined) {
      refuse("subnets", "ipam", "leave one of the two out");
    }
    if (linkInContainer) {
      const why = 'make the VLAN link in the container first, and name it as the "master"';
      refuse("vlan", "linkInContainer", why);
      refuse("network", "linkInContainer", "the parent of that network is a link of the host");
    }
    if (keepAddresses) refuse("etcd", "keepAddresses", "a pod keeps addresses on one host only");
    if (kind === "network" || kind === "subnets") return;
    if (keepAddresses) {
      const why = "other plugins keep their own addresses";
      this.#wrong(`The key "keepAddresses" needs "subnets" or "network": ${why}`);
    }
    if (values.etcd !== undefined) {
      this.#wrong('The key "etcd" needs "subnets": hosts share the addresses of these');
    }
    if (values.routes === undefined) return;
    this.#wrong('The key "routes" needs "subnets" or "network": other routes come with addresses');
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

  /** Reports capabilities that the plugin does not have. An IPAM plugin may have them. */
  #refuseCapabilities({ kind }: AddressSource, { runtimeConfig }: Record<string, unknown>): void {
    for (const [key, value] of Object.entries(isObject(runtimeConfig) ? runtimeConfig : {})) {
      if (key !== "mac" && (key === "ips" || kind === "ipam")) continue;
      const why = key === "mac"
        ? "an ipvlan link has the MAC address of its parent"
        : "take this capability out of the configuration";
      const path = ["runtimeConfig", key];
      this.#problems.push(misfitError({ path, value, wanted: `${UNSUPPORTED}: ${why}` }));
    }
  }

  #readIps(values: Record<string, unknown>): string[] {
    const { runtimeConfig, args } = this.#read(askedAddresses, values);
    // Addresses in "args" replace that of the environment.
    const others = args.cni.ips ?? (this.askedFor === undefined ? [] : [this.askedFor]);
    const ips = new Set<string>();
    for (const text of [...runtimeConfig.ips ?? [], ...others]) {
      const read = attempt(() => addressIn(text));
      if (read.ok) ips.add(read.value);
      else for (const { message } of read.problems) this.#wrong(message);
    }
    return [...ips];
  }
}
