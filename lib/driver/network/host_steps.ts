// The steps of network options in the host's namespace: makes, removes, finds and restores them.
import { invalidOption, IpvlanError, throwProblems } from "../../base/errors.ts";
import { addrAdd, addrDel } from "../../iproute2/addr.ts";
import { explainRights } from "../../iproute2/kernel.ts";
import { linkAdd, linkDel, linkSet } from "../../iproute2/link.ts";
import type { Link } from "../../iproute2/link_types.ts";
import { neighChange } from "../../iproute2/neigh.ts";
import { routeChange } from "../../iproute2/route.ts";
import type { RouteSpec } from "../../iproute2/route_types.ts";
import { make } from "../../iproute2/runner.ts";
import { type LinkSetting, linkSetting, settingsMade } from "../../iproute2/sysctl.ts";
import type { Parts } from "../addresses/parts.ts";
import {
  advert,
  ADVERT_PROTOCOLS,
  advertKind,
  endpointAdverts,
  networkAdverts,
} from "../model/advertise.ts";
import {
  type HostSetting,
  type HostStep,
  isHostStep,
  type LinkStep,
  type RouteStep,
  stepKey,
} from "../model/option_steps.ts";
import { type OptionEndpoint, stepsOf } from "../model/options.ts";
import { PARENT_SETTINGS, routerProblems } from "../model/proxy.ts";
import type { HostFacts } from "../model/facts.ts";
import type { AdvertisedRoute, Network } from "../model/types.ts";
import { routePrefix } from "../model/routes.ts";
import { explainIpvlanAdd, isOurs, LINK_GROUP } from "./parent.ts";
import type { Namespaces } from "../run/namespaces.ts";
import { isGone, type Line, type Step } from "../run/plan.ts";
import type { EndpointRecord } from "../store/records.ts";
import { isReady, withoutState } from "../store/store.ts";

export function hostSteps(network: Network, endpoint?: OptionEndpoint): HostStep[] {
  return stepsOf(network, endpoint).filter(isHostStep);
}

/** Picks the steps that no other network has. Two engines' networks may share a subnet's route. */
export function unshared(steps: readonly HostStep[], others: readonly Network[]): HostStep[] {
  if (steps.length === 0) return [];
  const shared = new Set(others.flatMap((network) => hostSteps(network)).map(stepKey));
  return steps.filter((step) => !shared.has(stepKey(step)));
}

/**
 * @param owned The steps that undoing takes back; by default all. Another network has done the others: a
 * link and its address are made once.
 * @param mac The MAC address of the parent, for neighbours.
 */
export function makeHostSteps(
  steps: readonly HostStep[],
  { owned = steps, mac }: { owned?: readonly HostStep[]; mac?: string } = {},
): Step[] {
  return steps.flatMap((step) => {
    if (owned.includes(step)) return linesOf(step, mac);
    // A route that is already there is ours, so that is no error.
    const again = step.kind === "route.add" ? linesOf(step, mac) : [];
    return again.map(({ undo: _undo, ...line }) => line);
  });
}

/** The lines that do a step. @param mac Left out, there is no line for a neighbour. */
function linesOf(step: HostStep, mac?: string): Step[] {
  switch (step.kind) {
    case "route.add": {
      const { route, neighbour } = step;
      return [
        { ...routeChange("replace", route), undo: routeChange("del", route) },
        ...neighbour && mac !== undefined
          ? [{
            ...neighChange("replace", { ...neighbour, address: mac }),
            undo: neighChange("del", neighbour),
          }]
          : [],
      ];
    }
    case "proxy.add": {
      const neigh = { dst: step.dst, dev: step.dev, proxy: true } as const;
      return [{ ...neighChange("replace", neigh), undo: neighChange("del", neigh) }];
    }
    case "setting.add": {
      const { dev, setting, before } = step;
      // A line before it may make the link.
      const line = { ...settingLine(dev, setting), begins: true } as const;
      return [before ? { ...line, undo: settingLine(dev, before) } : line];
    }
    case "addr.add": {
      const address = step.addr.address.split("/")[0]!;
      const holder = `an ipvlan link that has the parent of "${step.addr.dev}"`;
      return [{
        ...addrAdd(step.addr),
        undo: addrDel(step.addr),
        explain: (error) =>
          error.errno === "EADDRINUSE"
            ? new IpvlanError("address-held", { address, holder })
            : explainRights(error),
      }];
    }
    case "link.add": {
      const { name, link } = step.link;
      const taken = `another program has made a link "${name}": rename or delete that`;
      return [
        {
          ...linkAdd({ ...step.link, group: LINK_GROUP }),
          undo: linkDel(name),
          explain: (error) =>
            error.errno === "EEXIST"
              ? invalidOption("host access", "true", taken)
              : explainIpvlanAdd(error, link),
        },
        linkSet(name, { addrgenmode: "none" }),
        { ...linkSet(name, { up: true }), begins: true, settings: [linkSetting(name, NO_ADVERTS)] },
      ];
    }
  }
}

const NO_ADVERTS = "ipv6/accept_ra=0";

/** A line that changes nothing, and makes a setting before that. */
function settingLine(dev: string, setting: LinkSetting): Line {
  return { ...linkSet(dev, {}), settings: [linkSetting(dev, setting)] };
}

/** The lines that undo a step. For a neighbour, any MAC address will do. */
export function undoHostStep(step: HostStep): Line[] {
  return linesOf(step, "00:00:00:00:00:00").flatMap(({ undo }) => undo ?? []);
}

/** Undoes the steps, the last first. What is already gone is no error. */
export async function removeHostSteps(
  { namespaces }: Parts<"namespaces">,
  steps: readonly HostStep[],
): Promise<void> {
  if (steps.length === 0) return;
  // A setting that all links have by now is another program's: Docker has the host forward.
  const everywhere = (step: HostStep) =>
    step.kind === "setting.add" ? [linkSetting("all", step.setting)] : [];
  const common = await settingsMade(namespaces, steps.flatMap(everywhere));
  const own = steps.filter((step) => !everywhere(step).some((each) => common.has(each)));
  const results = await Promise.allSettled(
    own.toReversed().flatMap(undoHostStep).map(({ settings, ...change }) => {
      const ip = settings
        ? namespaces.inside(namespaces.hostName, true, settings)
        : namespaces.host();
      return make(ip.session, change);
    }),
  );
  for (const result of results) {
    if (result.status === "rejected" && !isGone(result.reason)) throw result.reason;
  }
}

async function readRoutes(
  { namespaces }: Parts<"namespaces">,
  protocols: readonly RouteSpec["protocol"][],
): Promise<RouteStep[]> {
  const { route } = namespaces.host();
  const seen = await Promise.all(
    protocols.flatMap((protocol) =>
      ([4, 6] as const).map(async (family) => {
        const routes = await route.show(family, { protocol });
        return routes.map(({ type, dst: shown, metric, dev }) => {
          const dst = routePrefix(shown, family);
          const step = { type, dst, protocol, metric, ...type === "unicast" && { dev } };
          return { kind: "route.add", route: step } as RouteStep;
        });
      })
    ),
  );
  return seen.flat();
}

/**
 * Finds the steps in the host, by their keys. Reads only the links of the steps, and the routes of their
 * protocols.
 *
 * @returns Also the steps whose link is the driver's, and down or on another parent.
 */
export async function findHostSteps(
  parts: Parts<"namespaces">,
  steps: readonly HostStep[],
): Promise<{ seen: Set<string>; broken: LinkStep[] }> {
  const { namespaces } = parts;
  const { link, addr, neigh } = namespaces.host();
  const seen = new Set<string>();
  const broken: LinkStep[] = [];
  const protocols = steps.flatMap((step) => step.kind === "route.add" ? [step.route.protocol] : []);
  const links = steps.filter((step) => step.kind === "link.add");
  const settings = steps.filter((step) => step.kind === "setting.add");
  const textOf = ({ dev, setting }: HostSetting) => linkSetting(dev, setting);
  const hasProxies = steps.some(({ kind }) => kind === "proxy.add");
  const [routes, made, proxies] = await Promise.all([
    readRoutes(parts, [...new Set(protocols)]),
    settingsMade(namespaces, settings.map(textOf)),
    hasProxies ? neigh.show({ proxy: true }) : [],
  ]);
  for (const step of settings) if (made.has(textOf(step))) seen.add(stepKey(step));
  for (const { dst, dev } of proxies) seen.add(stepKey({ kind: "proxy.add", dst, dev }));
  await Promise.all(
    new Map(links.map((step) => [step.link.name, step])).values().map(async (step) => {
      const { name, link: parent } = step.link;
      const found = await link.find(name);
      if (!found || !isOurs(found)) return;
      if (!found.up || found.link !== parent) {
        broken.push(step);
        return;
      }
      seen.add(stepKey(step));
      for (const { address, prefixLength } of await addr.show({ dev: name })) {
        const there = { dev: name, address: `${address}/${prefixLength}` };
        seen.add(stepKey({ kind: "addr.add", addr: there }));
      }
    }),
  );
  const gone = broken.map(({ link }) => link.name);
  for (const step of routes) if (!gone.includes(step.route.dev ?? "")) seen.add(stepKey(step));
  return { seen, broken };
}

/** Reads what decides whether networks on these parents may have the option `proxy`. */
export async function forwardingFacts(
  namespaces: Namespaces,
  parents: readonly string[],
): Promise<Pick<HostFacts, "settings" | "routed">> {
  const routes = await namespaces.host().route.show(6, { protocol: RA });
  const routed = [...new Set(routes.flatMap(({ dev }) => dev ?? []))];
  const settings = await settingsMade(namespaces, [
    ...parents.flatMap((link) => PARENT_SETTINGS.map((each) => linkSetting(link, `${each}=1`))),
    ...routed.map((link) => linkSetting(link, "ipv6/accept_ra=1")),
  ]);
  return { settings, routed };
}

/** The protocol of routes that a router advertises (`RTPROT_RA` in rtnetlink(7)). */
const RA = 9;

/**
 * Brings the host in sync with what was restored: does the steps of restored networks and endpoints,
 * and undoes those of the others, so that no router sends packets here for nothing.
 *
 * @param lost The ids of the networks that could not be restored.
 * @param former What a network was, whose other steps are undone.
 * @returns The error of each network whose steps failed, by the network's id.
 */
export async function restoreHostSteps(
  parts: Parts<"namespaces">,
  { networks, links, lost = new Set(), endpoints = [], connected = new Set(), former }: {
    networks: readonly Network[];
    links: ReadonlyMap<string, Link>;
    lost?: ReadonlySet<string>;
    endpoints?: readonly EndpointRecord[];
    connected?: ReadonlySet<EndpointRecord>;
    former?: Network;
  },
): Promise<Map<string, Error>> {
  const byNetwork = Map.groupBy(endpoints, ({ network }) => network);
  const plans = networks.map((network) => {
    const { id, parent } = network;
    const of = (isThere: boolean) => [
      ...lost.has(id) === isThere ? [] : hostSteps(network),
      ...(byNetwork.get(id) ?? [])
        .filter((endpoint) => (!lost.has(id) && connected.has(endpoint)) === isThere)
        .flatMap((endpoint) => hostSteps(network, endpoint)),
    ];
    const old = former?.id === id ? [undefined, ...byNetwork.get(id) ?? []] : [];
    const unwanted = [...of(false), ...old.flatMap((each) => hostSteps(former!, each))];
    return { network, mac: links.get(parent)?.address, wanted: of(true), unwanted };
  });
  const all = plans.flatMap(({ wanted, unwanted }) => [...wanted, ...unwanted]);
  const { seen, broken } = await findHostSteps(parts, all);
  await removeHostSteps(parts, broken);
  const kept = new Set(plans.flatMap(({ wanted }) => wanted).map(stepKey));
  const failures = new Map<string, Error>();
  for (const { network, mac, wanted, unwanted } of plans) {
    const missing = wanted.filter((step) => !seen.has(stepKey(step)));
    const stale = unwanted.filter((step) => seen.has(stepKey(step)) && !kept.has(stepKey(step)));
    try {
      if (missing.some(({ kind }) => kind === "setting.add")) {
        const facts = await forwardingFacts(parts.namespaces, [network.parent]);
        throwProblems(routerProblems(network, facts));
      }
      if (missing.length > 0) await parts.namespaces.apply(makeHostSteps(missing, { mac }));
      // Other networks on the parent share them.
      for (const step of missing) seen.add(stepKey(step));
      await removeHostSteps(parts, stale);
    } catch (error) {
      failures.set(network.id, error as Error);
    }
  }
  return failures;
}

/** Lists the routes of networks that advertise: by network, and then those on no record. */
export async function listAdvertised(
  parts: Parts<"store" | "namespaces">,
): Promise<AdvertisedRoute[]> {
  const { store } = parts;
  const { networks, endpoints } = store.transaction(() => ({
    networks: store.networks().filter(isReady).map(withoutState),
    endpoints: store.endpoints().filter(isReady),
  }));
  const byNetwork = Map.groupBy(endpoints, ({ network }) => network);
  const seen = await readRoutes(parts, ADVERT_PROTOCOLS);
  const present = new Set(seen.map(stepKey));
  const listed = (steps: readonly RouteStep[], more: Partial<AdvertisedRoute>) =>
    steps.flatMap((step): AdvertisedRoute[] => {
      const kind = advertKind(step);
      const state = present.has(stepKey(step)) ? "up" : "missing";
      return kind === undefined ? [] : [{ kind, dst: step.route.dst, state, ...more }];
    });
  const adverts = networks.flatMap((network) => [
    ...listed(networkAdverts(network), { network: network.name }),
    ...(byNetwork.get(network.id) ?? []).flatMap((each) =>
      listed(endpointAdverts(network, each), { network: network.name, sandbox: each.sandbox })
    ),
  ]);
  const known = new Set(adverts.map(({ kind, dst }) => stepKey(advert(kind, dst))));
  const others = seen.filter((step) => !known.has(stepKey(step)));
  return [...adverts, ...listed(others, { state: "unknown" })];
}
