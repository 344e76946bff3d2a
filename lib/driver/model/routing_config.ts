// The configuration with which a routing daemon announces the routes of networks that advertise. Pure
// functions from values to text.
import { attempt, type Decision, invalidOption, type IpvlanError } from "../../base/errors.ts";
import { familyOf, formatAddress, parseAddress } from "../../ipam/address.ts";

export const ROUTING_DAEMONS = ["frr", "bird"] as const;

export type RoutingDaemon = typeof ROUTING_DAEMONS[number];

/** This host's part in BGP (RFC 4271). */
export interface BgpPeers {
  /** The number of this host's autonomous system; left out, there are no neighbors. */
  asn?: number;
  /** The addresses of the routers to announce the routes to, in canonical form. */
  neighbors: readonly string[];
}

export interface ConfigWords {
  daemon: string;
  asn?: string;
  neighbors: readonly string[];
}

/** The greatest number of an autonomous system (RFC 6793). */
const MAX_ASN = 2 ** 32 - 1;

export function readConfig(
  { daemon: word, asn: number, neighbors }: ConfigWords,
): Decision<{ daemon: RoutingDaemon; peers: BgpPeers }> {
  const problems: IpvlanError[] = [];
  const daemon = ROUTING_DAEMONS.find((name) => name === word);
  if (daemon === undefined) {
    const rule = `choose one of ${ROUTING_DAEMONS.join(", ")}`;
    problems.push(invalidOption("config", word, rule));
  }
  const asn = number !== undefined && /^[1-9]\d*$/.test(number) ? Number(number) : undefined;
  if (number !== undefined && (asn === undefined || asn > MAX_ASN)) {
    problems.push(invalidOption("asn", number, `give a number from 1 to ${MAX_ASN}`));
  }
  if (number === undefined && neighbors.length > 0) {
    const rule = "give the number of this host's autonomous system with --asn";
    problems.push(invalidOption("neighbor", neighbors[0]!, rule));
  }
  const addresses = neighbors.flatMap((text) => {
    const address = attempt(() => formatAddress(parseAddress(text)));
    if (address.ok) return [address.value];
    problems.push(...address.problems);
    return [];
  });
  if (daemon === undefined || problems.length > 0) return { ok: false, problems };
  return { ok: true, daemon, peers: { asn, neighbors: [...new Set(addresses)] } };
}

export function routingConfig(daemon: RoutingDaemon, peers: BgpPeers): string {
  const lines = daemon === "frr" ? frrLines(peers) : birdLines(peers);
  return lines.map((line) => `${line}\n`).join("");
}

const FAMILIES = [4, 6] as const;

/**
 * FRR's lines. FRR forgets the protocol of a kernel route, so a route map matches ours by the metric,
 * which becomes the MED. The maps for the neighbors let in all routes, and let out only this host's
 * own: the host does not carry traffic from one router to another.
 */
function frrLines({ asn, neighbors }: BgpPeers): string[] {
  const maps = neighbors.length === 0 ? [] : [
    "!",
    "bgp as-path access-list ipvlan-own permit ^$",
    "!",
    "route-map ipvlan-out permit 10",
    " match as-path ipvlan-own",
    "exit",
    "!",
    "route-map ipvlan-in permit 10",
    "exit",
  ];
  return [
    `! Announces the routes that ipvlan advertises: those with the metric ${ADVERTISED}.`,
    "route-map ipvlan permit 10",
    ` match metric ${ADVERTISED}`,
    "exit",
    ...maps,
    "!",
    asn === undefined ? "router bgp" : `router bgp ${asn}`,
    ...neighbors.map((neighbor) => ` neighbor ${neighbor} remote-as external`),
    ...FAMILIES.flatMap((family) => [
      " !",
      ` address-family ipv${family} unicast`,
      "  redistribute kernel route-map ipvlan",
      ...neighbors.flatMap((neighbor) => {
        if (familyOf(neighbor) === family) {
          return [
            `  neighbor ${neighbor} activate`,
            `  neighbor ${neighbor} route-map ipvlan-in in`,
            `  neighbor ${neighbor} route-map ipvlan-out out`,
          ];
        }
        // FRR activates IPv4 for every neighbor by itself.
        return family === 4 ? [`  no neighbor ${neighbor} activate`] : [];
      }),
      " exit-address-family",
    ]),
    "exit",
  ];
}

/** BIRD's lines. A BIRD table has one `kernel` protocol, so these lines replace an existing one. */
function birdLines({ asn, neighbors }: BgpPeers): string[] {
  const channel = (family: 4 | 6, from: string, to: string) => [
    `  ipv${family} {`,
    `    import ${from};`,
    `    export ${to};`,
    "  };",
  ];
  return [
    `# Announces the routes that ipvlan advertises: those with the protocol ${ADVERTISED}.`,
    "protocol device {",
    "}",
    ...FAMILIES.flatMap((family) => [
      "protocol kernel {",
      "  learn;",
      ...channel(family, `where krt_source = ${ADVERTISED}`, "where source = RTS_BGP"),
      "}",
    ]),
    ...neighbors.flatMap((neighbor) => [
      "protocol bgp {",
      `  local as ${asn};`,
      `  neighbor ${neighbor} external;`,
      ...channel(familyOf(neighbor), "all", "where source = RTS_INHERIT"),
      "}",
    ]),
  ];
}

/**
 * The protocol number of the routes to announce. No program of `/etc/iproute2/rt_protos` has it, nor
 * any daemon of FRR (`zebra/rt_netlink.h`), whose routes FRR would take for its own.
 */
export const ADVERTISED = 117;
