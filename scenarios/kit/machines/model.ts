/**
 * Asks the model of who reaches whom about the machines of a scenario.
 *
 * @module
 */
import { which } from "../../../lab/machine.ts";
import { Bridge } from "../../../lib/iproute2/bridge.ts";
import { lookAround } from "../../../lib/iproute2/view.ts";
import {
  type Answer,
  type Node,
  readFirewall,
  stepText,
  WANTED,
  type WhyView,
} from "../../../lib/why/mod.ts";
import type { MatrixAnswer } from "../report/entry.ts";
import { switchesIn, withPlainSwitch } from "./plain_switch.ts";

/** Looks at all namespaces until nothing changes: the kernel sets links and IPv6 addresses up later. */
export async function lookUntilSettled(): Promise<WhyView> {
  for (let last = "";;) {
    const view = await lookAround(WANTED);
    const text = withoutNeighbours(view);
    if (text === last && !text.includes('"tentative"')) return view;
    last = text;
  }
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

/** An answer of the model as the report keeps it. */
export function summarize({ verdict, there, back }: Answer): MatrixAnswer {
  if (verdict === "yes") return { verdict };
  const last = [...there, ...back].at(-1);
  return { verdict, reason: last && stepText(last) };
}
