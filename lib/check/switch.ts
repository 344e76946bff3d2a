import { Bridge } from "../iproute2/bridge.ts";
import { linkName, netnsName } from "../iproute2/words.ts";
import { evidenceOf, type Finding, run } from "./finding.ts";

/** Frames that came in on a port, by VLAN id; those in none of the port's VLANs under "other". */
export type Counts = Map<number | "other", number>;

/** What came in between two counts, only what grew. */
export function growth(before: Counts, after: Counts): Counts {
  return new Map(
    [...after].map(([id, count]) => [id, count - (before.get(id) ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

/**
 * Checks in which VLANs frames come in on a switch's port while something is done: in each of
 * these, and in no other.
 *
 * The bridge has to count by VLAN and port (`vlan_stats_per_port`). Frames without a tag count as
 * those of the port's own VLAN (PVID). Frames in a VLAN that the port is not in, which the bridge
 * drops uncounted, are noticed as the difference to all that the port received.
 *
 * @param netns The switch's network namespace.
 * @param port The port, a link of it.
 * @param ids The VLAN ids.
 * @param action What is done.
 */
export async function taggedWith(
  netns: string,
  port: string,
  ids: number[],
  action: () => Promise<unknown>,
): Promise<Finding> {
  await using bridge = await Bridge.open({ netns });
  // What comes in between the two readings must not look like an unknown VLAN's, so that the port
  // is read last before the action and first after it.
  const vlansBefore = await bridge.vlans(port);
  const totalBefore = await received(netns, port);
  await action();
  const totalAfter = await received(netns, port);
  const vlansAfter = await bridge.vlans(port);
  const counts = (vlans: typeof vlansBefore, total: number): Counts => {
    const known = vlans.reduce((sum, vlan) => sum + vlan.received, 0);
    return new Map<number | "other", number>([
      ...vlans.map(({ id, received }): [number, number] => [id, received]),
      ["other", total - known],
    ]);
  };
  const grown = growth(counts(vlansBefore, totalBefore), counts(vlansAfter, totalAfter));
  return {
    sentence: `Frames come in on ${port} tagged with ${ids.join(", ")}, and no other`,
    held: ids.every((id) => grown.has(id)) && grown.size === new Set(ids).size,
    evidence: [{
      command: `bridge -n ${netns} -s vlan show dev ${port}`,
      output: [...grown].map(([id, count]) => `VLAN ${id}: ${count} more frames received`)
        .join("\n") || "No frames received",
    }],
  };
}

async function received(netns: string, port: string): Promise<number> {
  const { output } = await run("ip", "-n", netns, "-json", "-s", "link", "show", "dev", port);
  const [row] = JSON.parse(output) as { stats64: { rx: { packets: number } } }[];
  return row!.stats64.rx.packets;
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
