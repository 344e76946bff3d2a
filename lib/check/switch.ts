import { Bridge } from "../iproute2/bridge.ts";
import { linkName, netnsName } from "../iproute2/words.ts";
import { type Finding, run, toEvidence } from "./finding.ts";
import { countIncoming } from "./port_counter.ts";

/**
 * Checks that a switch's port, while an action runs, receives frames of each of these VLANs and of no
 * other VLAN.
 *
 * Untagged frames count as frames of the port's own VLAN (PVID). Frames that a kernel sends by itself
 * at any time do not count: IGMP, reports of multicast listeners and router solicitations. While the
 * action runs, the port has an ingress qdisc with filters that count.
 *
 * @param netns The switch's network namespace.
 * @param port The name of the port, which is a link of the switch.
 * @param ids The VLAN ids.
 * @param action The action, which makes the frames.
 * @throws {"ip-command"} if the port already has an ingress qdisc, or the kernel has no `flower`.
 *
 * @example
 * ```ts
 * import { reaches, taggedWith } from "@ipvlan/kit/check";
 *
 * const ping = () => reaches("c1", "192.168.20.1");
 * const { held } = await taggedWith("switch", "port1", [20], ping);
 * ```
 */
export async function taggedWith(
  netns: string,
  port: string,
  ids: number[],
  action: () => Promise<unknown>,
): Promise<Finding> {
  await using bridge = await Bridge.open({ netns });
  const vlans = await bridge.vlans(port);
  const known = new Set([...vlans.map(({ id }) => id), ...ids]);
  const { counts, evidence } = await countIncoming(netns, port, [...known], action);
  const pvid = vlans.find((vlan) => vlan.pvid)?.id;
  const seen = new Set<number | undefined>(
    [...counts.tagged].filter(([, count]) => count > 0).map(([id]) => id),
  );
  if (counts.untagged > 0) seen.add(pvid);
  return {
    sentence: `${port} receives frames of VLAN ${ids.join(", ")} and of no other`,
    held: counts.other === 0 && seen.size === new Set(ids).size && ids.every((id) => seen.has(id)),
    evidence: [evidence],
  };
}

/**
 * Checks which MAC addresses a switch has learned on a port.
 *
 * @param netns The switch's network namespace.
 * @param port The name of the port, which is a link of the switch.
 *
 * @example
 * ```ts
 * import { macsLearned } from "@ipvlan/kit/check";
 *
 * const { held } = await macsLearned("switch", "port1", ["02:00:00:00:00:01"]);
 * ```
 */
export async function macsLearned(netns: string, port: string, macs: string[]): Promise<Finding> {
  const shown = await run(
    "bridge",
    ...["-n", netnsName(netns), "fdb", "show", "brport", linkName(port), "dynamic"],
  );
  const learned = new Set(
    shown.output.split("\n").map((line) => line.split(" ")[0]!).filter(Boolean),
  );
  return {
    sentence: `The switch has learned ${macs.join(", ") || "nothing"} on ${port}, and no other MAC`,
    held: shown.success && learned.size === new Set(macs).size &&
      macs.every((mac) => learned.has(mac.toLowerCase())),
    evidence: [toEvidence(shown)],
  };
}
