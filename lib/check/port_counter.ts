// Counts the frames that a link receives, by VLAN tag, with filters of tc(8).
import { feed, spawn } from "../iproute2/spawn.ts";
import { linkName, netnsName } from "../iproute2/words.ts";
import type { Evidence } from "./finding.ts";
import { ipCommandError } from "../iproute2/errors.ts";

/** Counts of the frames that a link received. */
export interface Counts {
  /** Frames with the tag of one of the named VLANs, by VLAN id. */
  tagged: Map<number, number>;
  /** Frames with any other tag. */
  other: number;
  /** Frames without a tag. */
  untagged: number;
}

/**
 * The addresses that a kernel sends ICMPv6 messages to by itself, at any time: reports of multicast
 * listeners to all MLDv2 routers (RFC 3810), and router solicitations to all routers (RFC 4861). We
 * match addresses and not ICMPv6 types, as tc(8) of iproute2 5.10 matches types only in untagged
 * frames.
 */
const KERNEL_IPV6 = ["ff02::16", "ff02::2"];

/** The priorities of the filters, `pref`. The first filter that matches a frame counts it. */
const PREF = { igmp: 1, ipv6: 2, taggedIgmp: 3, taggedIpv6: 4, named: 5, other: 6, untagged: 9 };

/**
 * The lines for `tc -batch -` that make a link count frames. Frames that a kernel sends by itself
 * (IGMP, RFC 3376, and ICMPv6 to {@linkcode KERNEL_IPV6}) have their own counters.
 */
export function countingLines(dev: string, ids: readonly number[]): string[] {
  const filter = (pref: number, protocol: string, match: string) =>
    `filter add dev ${dev} ingress pref ${pref} protocol ${protocol} ${match} action pass`;
  const tagged = "802.1Q";
  return [
    `qdisc add dev ${dev} clsact`,
    filter(PREF.igmp, "ip", "flower ip_proto 2"),
    filter(PREF.taggedIgmp, tagged, "flower vlan_ethtype ip ip_proto 2"),
    ...KERNEL_IPV6.flatMap((address) => [
      filter(PREF.ipv6, "ipv6", `flower dst_ip ${address}`),
      filter(PREF.taggedIpv6, tagged, `flower vlan_ethtype ipv6 dst_ip ${address}`),
    ]),
    ...ids.map((id) => filter(PREF.named, tagged, `flower vlan_id ${id}`)),
    filter(PREF.other, tagged, "flower"),
    filter(PREF.other + 1, "802.1ad", "flower"),
    filter(PREF.untagged, "all", "matchall"),
  ];
}

/** Parses the counters of these filters in the output of `tc -json -s filter show`. */
export function parseCounts(json: string): Counts {
  const counts: Counts = { tagged: new Map(), other: 0, untagged: 0 };
  for (const { pref, options } of JSON.parse(json) as Filter[]) {
    const packets = options?.actions[0]?.stats.packets ?? 0;
    if (pref === PREF.named && options) counts.tagged.set(options.keys?.vlan_id ?? 0, packets);
    if (pref === PREF.other || pref === PREF.other + 1) counts.other += packets;
    if (pref === PREF.untagged) counts.untagged += packets;
  }
  return counts;
}

/** A filter in the JSON of tc(8). An entry without options is the head of all filters of a `pref`. */
interface Filter {
  pref: number;
  options?: { keys?: { vlan_id?: number }; actions: { stats: { packets: number } }[] };
}

/**
 * Counts the frames that a link receives while an action runs, and those of each of these VLANs.
 *
 * @throws {"ip-command"} The link already has an ingress qdisc, or the kernel no filter `flower`.
 * @throws {"program-not-found"} The machine has no tc(8) of iproute2.
 */
export async function countIncoming(
  netns: string,
  dev: string,
  ids: readonly number[],
  action: () => Promise<unknown>,
): Promise<{ counts: Counts; evidence: Evidence }> {
  const inNetns = ["-n", netnsName(netns)];
  const name = linkName(dev);
  const [qdisc = "", ...filters] = countingLines(name, ids);
  await tc([...inNetns, ...qdisc.split(" ")]);
  try {
    await tc([...inNetns, "-batch", "-"], filters);
    await action();
    const shown = await tc([...inNetns, "-json", "-s", "filter", "show", "dev", name, "ingress"]);
    const counts = parseCounts(shown);
    const lines = [
      ...[...counts.tagged].map(([id, count]): [string, number] => [`tagged with ${id}`, count]),
      ["with another tag", counts.other] as const,
      ["without a tag", counts.untagged] as const,
    ].filter(([, count]) => count > 0).map(([what, count]) => `Frames ${what}: ${count}`);
    return {
      counts,
      evidence: {
        command: `tc -n ${netns} -s filter show dev ${dev} ingress`,
        output: lines.join("\n") || "No frames came in",
      },
    };
  } finally {
    await tc([...inNetns, "qdisc", "del", "dev", name, "clsact"]);
  }
}

/** Runs tc(8), and returns its output. @throws {"ip-command"} if it fails. */
async function tc(args: string[], lines: string[] = []): Promise<string> {
  const input = lines.map((line) => `${line}\n`).join("");
  const { success, out, err } = await feed(spawn("tc", args), input);
  if (success) return out;
  throw ipCommandError(["tc", ...args].join(" "), err.trim().split("\n")[0] ?? "");
}
