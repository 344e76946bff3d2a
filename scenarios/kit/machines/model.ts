/**
 * Asks the model of who reaches whom about the machines of a scenario.
 *
 * @module
 */
import { which } from "../../../lab/machine.ts";
import { Bridge } from "../../../lib/iproute2/bridge.ts";
import { lookAround } from "../../../lib/iproute2/view.ts";
import {
  type Node,
  readFirewall,
  stepText,
  WANTED,
  why,
  type WhyView,
  type World,
} from "../../../lib/why/mod.ts";
import type { MatrixAnswer } from "../report/entry.ts";
import { switchesIn, withPlainSwitch } from "./plain_switch.ts";

/** How long to look, in milliseconds. An address on a link without a carrier stays tentative. */
const PATIENCE = 10_000;

/** Looks at all namespaces until nothing changes: the kernel sets links and IPv6 addresses up later. */
export async function lookUntilSettled(): Promise<WhyView> {
  const end = performance.now() + PATIENCE;
  for (let last = "";;) {
    const view = await lookAround(WANTED);
    const text = withoutNeighbours(view);
    const isSettled = text === last && [view.host, ...view.others].every(hasSettled);
    if (isSettled || performance.now() > end) return view;
    last = text;
  }
}

/** Whether no IPv6 address is still being set up. The kernel routes to one last (`addrconf_dad_work`). */
function hasSettled({ links, addrs, routes }: Node): boolean {
  const running = links.filter(({ flags }) => flags.includes("LOWER_UP")).map(({ name }) => name);
  return addrs.every(({ address, dev, family, flags }) =>
    !flags.includes("tentative") &&
    (family === 4 || flags.includes("dadfailed") || !running.includes(dev) ||
      routes.some(({ type, dst }) => type === "local" && dst === address))
  );
}

/** A view as text, without what changes by every packet. */
export function withoutNeighbours({ host, others }: WhyView): string {
  return JSON.stringify([host, ...others].map((node) => ({ ...node, neighs: [] })));
}

/** Prepares a view for the model: with the firewalls, and with switches as the model knows them. */
export async function prepare(view: WhyView): Promise<WhyView> {
  let prepared = view;
  for (const { netns, ports } of switchesIn(view)) {
    await using bridge = await Bridge.open({ netns });
    const vlans = await Promise.all(
      ports.map(async (port) => [port, await bridge.vlans(port)] as const),
    );
    prepared = withPlainSwitch(prepared, netns, new Map(vlans));
  }
  const hasFirewalls = ["iptables-save", "nft"].some((program) => which(program) !== undefined);
  const nodes = [prepared.host, ...prepared.others];
  await Promise.all(nodes.map(async (node: Node) => {
    node.firewall = hasFirewalls ? await readFirewall(node.netns) : [];
  }));
  return prepared;
}

/** Asks the model. Where the view has links that it takes for others, a "no" of it counts as unknown. */
export function ask(world: World, node: Node, dst: string): MatrixAnswer & { steps: string[] } {
  const { verdict, there, back } = why(world, node, { dst });
  const steps = [...there, ...back].map(stepText);
  const misread = verdict === "no" ? misreadLink(world) : undefined;
  if (misread !== undefined) return { verdict: "unknown", reason: misread, steps };
  return verdict === "yes" ? { verdict, steps } : { verdict, reason: steps.at(-1), steps };
}

/** A link of a kind that the model gives no frames to: a macvlan in another namespace. */
function misreadLink(world: World): string | undefined {
  for (const { netns, links } of world.nodes) {
    for (const link of links) {
      if (link.info.type === "macvlan" && !world.below(link)) {
        const of = `${link.name} of ${netns ?? "the host"}`;
        return `the model does not find the link below the macvlan link ${of}`;
      }
    }
  }
}
