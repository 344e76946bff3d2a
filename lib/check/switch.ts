import { Bridge } from "../iproute2/bridge.ts";
import { linkName, netnsName } from "../iproute2/words.ts";
import { evidenceOf, type Finding, run } from "./finding.ts";
import { countIncoming } from "./port_counter.ts";

/**
 * Checks in which VLANs frames come in on a switch's port while something is done: in each of
 * these, and in no other.
 *
 * Frames without a tag count as those of the port's own VLAN (PVID). What a host's kernel sends
 * unasked, at any time, does not count: IGMP, reports of multicast listeners and router
 * solicitations. For as long as this takes, the port has an ingress qdisc with filters that count.
 *
 * @param netns The switch's network namespace.
 * @param port The port, a link of it.
 * @param ids The VLAN ids.
 * @param action What is done.
 * @throws {IpCommandError} The port has an ingress qdisc already, or the kernel has no `flower`.
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
    sentence: `Frames come in on ${port} tagged with ${ids.join(", ")}, and no other`,
    held: counts.other === 0 && seen.size === new Set(ids).size && ids.every((id) => seen.has(id)),
    evidence: [evidence],
  };
}

/**
 * Checks which MAC addresses a switch has learned on a port.
 *
 * @param netns The switch's network namespace.
 * @param port The port, a link of it.
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
    evidence: [evidenceOf(shown)],
  };
}
