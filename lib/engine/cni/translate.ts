// Translates CNI's calls into the driver's types, and the results into CNI's: pure functions.
import { settle, type Settlement } from "../../driver/mod.ts";
import { engineOf, IN_SANDBOX } from "../../driver/model/names.ts";
import { gatewayBeside, routePrefix } from "../../driver/model/routes.ts";
import { ETCD } from "../../driver/model/ipam_options.ts";
import type {
  ConnectOptions,
  EngineNetworkSpec,
  MadeEndpoint,
  NetworkIpam,
  Owner,
  SandboxDetails,
  SeenSandbox,
} from "../../driver/model/types.ts";
import { addressFields, endpointAddresses, type Family, familyOf } from "../../ipam/address.ts";
import type { AttachmentSpec } from "../attachment.ts";
import type { Variables } from "../plugins.ts";
import { type Conf, ConfReader } from "./conf.ts";
import {
  type AttachmentKey,
  type CniCommand,
  type Environment,
  POD_KEYS,
  readEnvironment,
} from "./environment.ts";
import { cniError, CODE } from "./errors.ts";
import { type Result, type ResultAddress, toResultRoute, toRoute } from "./result.ts";
import { errorOf, type IpvlanErrorOf, throwProblems } from "../../base/errors.ts";

/** A call of the plugin that is not VERSION. */
export interface CniRequest {
  command: Exclude<CniCommand, "VERSION">;
  environment: Environment;
  conf: Conf;
  /**
   * The network that it asks for, settled by the driver; without a parent if that is the link of the
   * host's default route. Left out for a network of `ipvlan`'s own, and for DEL and GC.
   */
  settled?: Settlement;
}

/** Reads a call of the plugin and its configuration. @throws {"cni"} All that is wrong with them. */
export function readRequest(variables: Variables, text: string): CniRequest {
  const environment = readEnvironment(variables);
  const { command } = environment;
  // Without a command, the rest cannot be checked.
  if (command === undefined || command === "VERSION") throw errorOf(environment.problems);
  const { conf, problems: confProblems } = new ConfReader(command, environment.ip).read(text);
  const removes = command === "DEL" || command === "GC";
  const settled = removes ? undefined : settleConf(conf);
  const problems = [
    ...environment.problems,
    ...confProblems,
    // The reader has already refused a missing name.
    ...(settled?.problems ?? []).filter(({ field: [first] }) =>
      first !== "name" || conf.name !== ""
    )
      .map(({ field: [first], message }) =>
        cniError(CODE.conf, first === "ipam" ? `etcd: ${message}` : message)
      ),
  ];
  if (conf.source.kind === "ipam" && environment.path.length === 0) {
    const sentence = `The variable CNI_PATH is missing: the IPAM plugin "${conf.source.type}" is ` +
      "looked for there";
    problems.push(cniError(CODE.environment, sentence));
  }
  if (command === "ADD" && conf.keepAddresses && environment.pod === undefined) {
    const sentence =
      `The key "keepAddresses" needs the names of a pod: ${POD_KEYS.join(" and ")} ` +
      "in CNI_ARGS";
    problems.push(cniError(CODE.environment, sentence));
  }
  throwProblems(problems);
  return { command, environment, conf, settled };
}

export function sandboxName(containerId: string): string {
  return `cni:${containerId}`;
}

/** The name of a configuration's network, unless that is one of `ipvlan`'s own. */
export function networkName({ name }: Pick<Conf, "name">): string {
  return `cni:${name}`;
}

/** The key of the label that names the configuration of a sandbox's link. */
export function confLabel(ifname: string): string {
  return `cni/${ifname}`;
}

/** The parent of a configuration's network: its master, or the link of the default route. */
export function parentOf(
  { master, vlan }: Pick<Conf, "master" | "vlan">,
  defaultLink: string | undefined,
): string {
  const link = master ?? defaultLink;
  if (link === undefined) {
    const sentence = 'The key "master" is missing, and the host has no default route to take its ' +
      "link from";
    throw cniError(CODE.conf, sentence);
  }
  return vlan === undefined ? link : `${link}.${vlan}`;
}

/** Plans the link of an attachment. @param given The addresses and routes from another plugin. */
export function planLink(
  { environment, conf }: CniRequest,
  given: Result | undefined,
): AttachmentSpec & { connection: ConnectOptions } {
  const { containerId, ifname, netns, pod } = environment;
  const wanted = given ? followGiven(given) : { ...addressFields(conf.ips), routes: conf.routes };
  const inside = conf.linkInContainer ? { parent: conf.master } : {};
  return {
    name: sandboxName(containerId),
    owner: { engine: "cni", id: containerId },
    path: netns,
    labels: { [confLabel(ifname)]: conf.name },
    connection: { ifname, ...wanted, ...inside, ...conf.keepAddresses && { reserveAs: pod } },
  };
}

/** The owner of the networks and the address pools of a configuration. */
export function ownerOf({ name }: Pick<Conf, "name">): Owner {
  return { engine: "cni", id: name };
}

/** The shared source of a configuration's addresses; `undefined` if only this host gives them. */
export function ipamOf({ source }: Pick<Conf, "source">): NetworkIpam | undefined {
  const access = source.kind === "subnets" ? source.etcd : undefined;
  return access && { driver: ETCD, access };
}

/** Settles the network that a configuration asks for, unless that is one of `ipvlan`'s own. */
function settleConf(conf: Conf): Settlement | undefined {
  const { name, source, options, master, linkInContainer } = conf;
  if (source.kind === "network") return undefined;
  const link = master === undefined ? undefined : parentOf(conf, master);
  const parent = linkInContainer ? IN_SANDBOX : link;
  const common: EngineNetworkSpec = {
    ...options,
    name: networkName({ name }),
    parent,
    owner: ownerOf({ name }),
    transient: true,
  };
  const subnets = source.kind === "subnets" ? source.subnets : [];
  const hasNoIPv4 = subnets.length > 0 && subnets.every(({ subnet }) => familyOf(subnet) === 6);
  const ipam = ipamOf({ source });
  const addresses = source.kind === "subnets"
    ? { subnets, ipv4: !hasNoIPv4, ...ipam && { ipam } }
    : { foreignAddresses: true as const };
  return settle({ ...common, ...addresses }, parent !== undefined);
}

/** From this scope on, a route leads to the link itself (`RT_SCOPE_LINK`). */
const LINK_SCOPE = 253;

/** The connection for addresses and routes from another plugin. */
function followGiven(given: Result): ConnectOptions {
  if (given.ips.length === 0) throw cniError(CODE.ipam, "The IPAM plugin gave no address");
  const gateways = given.ips.flatMap(({ gateway }) => gateway ?? []);
  const gateway = (family: Family) => gateways.find((each) => familyOf(each) === family);
  return {
    ...addressFields(given.ips.map(({ address }) => address)),
    // A route without a next hop takes the gateway of its family, unless its scope has none.
    routes: given.routes.map((route) => {
      const { dst, scope = 0 } = route;
      return toRoute(
        scope < LINK_SCOPE ? { ...route, gw: route.gw ?? gateway(familyOf(dst)) } : route,
      );
    }),
  };
}

/** Makes the result of ADD. @param given The result of an IPAM plugin or of the plugin before. */
export function resultOf(
  { environment, conf }: CniRequest,
  endpoint: MadeEndpoint,
  given: Result | undefined,
): Result {
  const link = { name: endpoint.ifname, mac: endpoint.mac, sandbox: environment.netns };
  const ips: ResultAddress[] = given?.ips ?? endpointAddresses(endpoint)
    .map((address) => ({ address, gateway: gatewayBeside(address, endpoint) }));
  const routes = given?.routes ?? endpoint.routes.map(toResultRoute);
  const dns = conf.dns ?? given?.dns;
  return {
    interfaces: [link],
    ips: ips.map((ip) => ({ ...ip, interface: 0 })),
    routes,
    ...dns && { dns },
  };
}

/** Lists the links that a configuration has made in containers. */
export function attachmentsOf(
  { name }: Pick<Conf, "name">,
  sandboxes: readonly SandboxDetails[],
): AttachmentKey[] {
  return sandboxes.filter(({ name }) => engineOf(name) === "cni").flatMap((sandbox) =>
    sandbox.endpoints.filter(({ ifname }) => sandbox.labels[confLabel(ifname)] === name)
      .map(({ ifname }) => ({ containerId: sandbox.owner!.id, ifname }))
  );
}

export function isValid({ valid }: Conf, { containerId, ifname }: AttachmentKey): boolean {
  return valid.some((each) => each.containerId === containerId && each.ifname === ifname);
}

/** What CHECK reports: parts of a link, or of the result of ADD, that the kernel lacks. */
export function changesOf(
  { environment: { ifname, netns }, conf }: CniRequest,
  { state, path, endpoints, seen }: SeenSandbox,
): IpvlanErrorOf<"cni">[] {
  const endpoint = endpoints.find((each) => each.ifname === ifname)!;
  const { interfaces, ips, routes } = conf.previous!;
  const sentences = state === "down"
    ? [`The network namespace ${path} of the container is gone`]
    : [...endpoint.changes];
  const own = interfaces.find(({ name, sandbox }) => name === ifname && sandbox === netns);
  if (!own) sentences.push(`prevResult does not have the link ${ifname} in ${netns}`);
  for (const key of ["mac", "mtu"] as const) {
    const [was, is] = [own?.[key], endpoint[key]];
    if (was === undefined || is === undefined || was === is) continue;
    sentences.push(`The ${key.toUpperCase()} of the link ${ifname} is ${is} instead of ${was}`);
  }
  const present = endpointAddresses(endpoint);
  for (const { address } of ips.filter((ip) => interfaces[ip.interface ?? 0]?.name === ifname)) {
    if (present.includes(address)) continue;
    sentences.push(`The link ${ifname} does not have the address ${address} of prevResult`);
  }
  // Do not also report routes that a changed link has lost. Only one link has the default route.
  const compared = endpoint.changes.length > 0 || !seen
    ? []
    : routes.filter(({ dst, table }) =>
      table === undefined && (endpoints.length === 1 || !dst.endsWith("/0"))
    );
  for (const { dst, gw } of compared) {
    const isThere = seen!.routes.some((route) =>
      route.family === familyOf(dst) && routePrefix(route.dst, route.family) === dst &&
      // A route without a next hop takes the gateway.
      (gw === undefined || route.via === gw)
    );
    if (!isThere) sentences.push(`The container does not have the route to ${dst} of prevResult`);
  }
  return sentences.map((sentence) => cniError(CODE.changed, sentence));
}
