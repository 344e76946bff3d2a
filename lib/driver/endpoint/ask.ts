// Asks the LAN: whether another machine has an address, and whether a gateway answers. The kernel asks,
// by ARP or a neighbour solicitation, for an entry of its neighbour cache that is marked as in use. So
// it takes no program but `ip`, no packet socket, and no route to the address.
import { invalidOption, IpvlanError } from "../../base/errors.ts";
import { orAbort, pause, sayIfLong } from "../../base/waiting.ts";
import { endpointAddresses, familyOf } from "../../ipam/address.ts";
import { explainRights } from "../../iproute2/kernel.ts";
import { Ip } from "../../iproute2/ip.ts";
import { neighAsk, neighFlush } from "../../iproute2/neigh.ts";
import { make, type Runner } from "../../iproute2/runner.ts";
import type { Network } from "../model/types.ts";
import type { Step } from "../run/plan.ts";
import { linkAddresses, type NetworkEndpoint } from "./routes.ts";

/**
 * The times between two looks for an answer, in milliseconds. A machine answers within milliseconds, and
 * in this time the kernel asks twice: at once, and after a second.
 */
const LOOKS = [50, 100, 200, 400, 800];

/**
 * How long a gateway may take to answer, or a parent to come up, how often to ask a gateway, and to
 * look, in milliseconds.
 */
const [PATIENCE, AGAIN, INTERVAL] = [3000, 500, 100];

/** How long duplicate address detection may take: the kernel needs two seconds. */
const DETECTION = 10_000;

/**
 * The steps that ask on the parents for the addresses of endpoints that are to be made, and for the
 * gateways of links that are handed over. They run before all others, and leave no entry behind.
 */
export function askSteps(planned: readonly NetworkEndpoint[]): Step[] {
  const asked = planned.flatMap((each) => {
    const { network, endpoint } = each;
    const netns = endpoint.parent === undefined ? undefined : endpoint.sandbox;
    const dev = endpoint.parent ?? network.parent;
    const step = (dst: string, awaits: Step["awaits"]) => ({ netns, dst, dev, awaits });
    return [
      ...network.dad === "on"
        // A link of ours asks for its IPv6 addresses itself: see `untilDetected`.
        ? endpointAddresses(endpoint).filter((dst) => endpoint.handOver || familyOf(dst) === 4)
          .map((dst) => step(dst, untilSilent(network, dst, dev)))
        : [],
      ...network.probe === "gateway" && endpoint.handOver
        ? gatewaysOf(each).map((dst) => step(dst, untilAnswered(each, dst, dev)))
        : [],
    ];
  });
  const flushes = asked.map(({ netns, dst, dev }) => ({ netns, ...neighFlush(dst, dev) }));
  return [
    ...flushes,
    ...asked.map(({ netns, dst, dev, awaits }, index): Step => ({
      netns,
      ...neighAsk(dst, dev),
      awaits,
      undo: flushes[index],
      explain: (error) => {
        // What the kernel may not change says who has the address.
        if (error.errno !== "EEXIST") return explainRights(error);
        const holder = `an entry of the neighbours on "${dev}"`;
        return new IpvlanError("address-held", { address: dst, holder });
      },
    })),
    ...flushes,
  ];
}

/** The steps that ask the gateways of an endpoint from its own link. */
export function gatewaySteps(each: NetworkEndpoint): Step[] {
  const { network, endpoint: { sandbox: netns, ifname: dev } } = each;
  if (network.probe !== "gateway") return [];
  return gatewaysOf(each).map((dst) => ({
    netns,
    ...neighAsk(dst, dev, "replace"),
    awaits: untilAnswered(each, dst, dev),
  }));
}

function gatewaysOf({ network, endpoint }: NetworkEndpoint): string[] {
  const all = linkAddresses(network, endpoint).flatMap(({ gateway }) => gateway ?? []);
  return [...new Set(all)];
}

/** Waits until it is clear that no machine has an address. */
function untilSilent(network: Network, dst: string, dev: string): Step["awaits"] {
  return async (runner, { signal, waiting }) => {
    const ip = new Ip(runner);
    using _notice = sayIfLong(waiting, () => `Asking on "${dev}" for ${dst}`, 1000);
    const start = performance.now();
    for (let look = 0; look < LOOKS.length; look++) {
      await orAbort(pause(LOOKS[look]!, signal), signal);
      const [seen, neighbours] = await Promise.all([
        ip.addr.showLink(dev),
        ip.neigh.show({ dev }),
      ]);
      const entry = neighbours.find((each) => each.dst === dst);
      if (entry?.address !== undefined) {
        const holder = `the machine ${entry.address} on the LAN of "${dev}"`;
        throw new IpvlanError("address-held", { address: dst, holder });
      }
      const canAsk = familyOf(dst) === 4 ||
        seen?.addrs.some(({ address, flags }) =>
          address.startsWith("fe80:") && !flags.includes("tentative")
        );
      if (seen?.link.flags.includes("LOWER_UP") && entry && canAsk) continue;
      // The parent may just be coming up. The kernel forgets the neighbours of a link that goes down.
      if (!seen || performance.now() - start > PATIENCE) {
        const state = seen ? "down" : "missing";
        if (!seen?.link.flags.includes("LOWER_UP")) {
          throw new IpvlanError("network-cut-off", { network: network.name, parent: dev, state });
        }
        const rule =
          `the link "${dev}" has no link-local address, and cannot ask for ${dst} without one`;
        throw invalidOption("duplicate address detection", "on", rule);
      }
      await askAgain(runner, dst, dev);
      look = 0;
    }
  };
}

async function askAgain(runner: Runner, dst: string, dev: string): Promise<void> {
  await make(runner, neighFlush(dst, dev));
  await make(runner, neighAsk(dst, dev, "replace"));
}

/** Waits until a look finds what it waits for. @param more See {@linkcode sayIfLong}. */
function untilFound(
  sentence: string,
  more: number,
  look: (ip: Ip, elapsed: number, looks: number) => Promise<boolean>,
): Step["awaits"] {
  return async (runner, { signal, waiting }) => {
    using _notice = sayIfLong(waiting, () => sentence, more);
    const ip = new Ip(runner);
    const start = performance.now();
    for (let looks = 0; !await look(ip, performance.now() - start, looks); looks++) {
      await orAbort(pause(INTERVAL, signal), signal);
    }
  };
}

function untilAnswered(
  { network: { name, parent: usual }, endpoint: { parent = usual } }: NetworkEndpoint,
  dst: string,
  dev: string,
): Step["awaits"] {
  return untilFound(`Asking the gateway ${dst} of "${name}"`, 0, async (ip, elapsed, looks) => {
    // In its first two seconds, a link has no address that a neighbour solicitation could come from.
    if (looks > 0 && looks % (AGAIN / INTERVAL) === 0) await askAgain(ip.session, dst, dev);
    const entry = (await ip.neigh.show({ dev })).find((each) => each.dst === dst);
    if (entry?.address !== undefined) return true;
    if (elapsed <= PATIENCE) return false;
    throw new IpvlanError("gateway-silent", { gateway: dst, network: name, parent });
  });
}

/** Waits until the kernel has looked for other holders of a link's IPv6 addresses (RFC 4862). */
export function untilDetected(
  { network, endpoint }: NetworkEndpoint,
  addresses: readonly string[],
): Step["awaits"] {
  const { ifname: dev, parent = network.parent } = endpoint;
  const sentence = `Waiting until the addresses on "${dev}" are usable`;
  return untilFound(sentence, DETECTION / 2, async (ip, elapsed) => {
    const own = (await ip.addr.show({ dev })).filter((each) => addresses.includes(each.address));
    const failed = own.find(({ flags }) => flags.includes("dadfailed"));
    if (failed) {
      const holder = `a machine on the LAN of "${parent}"`;
      throw new IpvlanError("address-held", { address: failed.address, holder });
    }
    if (!own.some(({ flags }) => flags.includes("tentative"))) return true;
    if (elapsed <= DETECTION) return false;
    throw new IpvlanError("network-cut-off", { network: network.name, parent, state: "down" });
  });
}
