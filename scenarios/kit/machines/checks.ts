// Checks that only the scenarios make: of a switch, of links that are made to be alike, of values and
// of refusals.
import { isDeepStrictEqual } from "node:util";
import { type ErrorCode, IpvlanError } from "../../../lib/base/errors.ts";
import { Bridge } from "../../../lib/iproute2/bridge.ts";
import { ipCommandError } from "../../../lib/iproute2/errors.ts";
import { feed, spawn } from "../../../lib/iproute2/shell.ts";
import { linkName, netnsName } from "../../../lib/iproute2/words.ts";
import { type Evidence, type Finding, finding } from "../../../lib/check/reach.ts";
import { run } from "../command.ts";
import { runIp } from "./in_netns.ts";

/**
 * Checks that a switch's port, while an action runs, receives frames of each of these VLANs and of no
 * other VLAN.
 *
 * Untagged frames count as frames of the port's own VLAN (PVID). Frames that a kernel sends by itself
 * at any time do not count: IGMP, reports of multicast listeners and router solicitations. While the
 * action runs, the port has an ingress qdisc with filters that count.
 *
 * @throws {"ip-command"} if the port already has an ingress qdisc, or the kernel has no `flower`.
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
  return finding(
    `${port} receives frames of VLAN ${ids.join(", ")} and of no other`,
    counts.other === 0 && seen.size === new Set(ids).size && ids.every((id) => seen.has(id)),
    evidence,
  );
}

/** Checks which MAC addresses a switch has learned on a port. */
export async function macsLearned(netns: string, port: string, macs: string[]): Promise<Finding> {
  const shown = await run(
    "bridge",
    ...["-n", netnsName(netns), "fdb", "show", "brport", linkName(port), "dynamic"],
  );
  const learned = new Set(
    shown.output.split("\n").map((line) => line.split(" ")[0]!).filter(Boolean),
  );
  return finding(
    `The switch has learned ${macs.join(", ") || "nothing"} on ${port}, and no other MAC`,
    shown.success && learned.size === new Set(macs).size &&
      macs.every((mac) => learned.has(mac.toLowerCase())),
    shown,
  );
}

/** Counts of the frames that a link received: those of some VLANs by id, of others, without a tag. */
type Counts = { tagged: Map<number, number>; other: number; untagged: number };

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
    const all = new Map([...counts.tagged].map(([id, count]) => [`tagged with ${id}`, count]));
    all.set("with another tag", counts.other).set("without a tag", counts.untagged);
    const lines = [...all].filter(([, count]) => count > 0)
      .map(([what, count]) => `Frames ${what}: ${count}`);
    const command = `tc -n ${netns} -s filter show dev ${dev} ingress`;
    const output = lines.join("\n") || "No frames came in";
    return { counts, evidence: { command, output } };
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

/** Fields that differ from link to link, and the state, which changes a little later than the link. */
const OWN_FIELDS = ["ifindex", "ifname", "address", "group", "ifalias", "link_index", "operstate"];

/** Flags that depend on the cable, that is on the other end. */
const CABLE_FLAGS = ["NO-CARRIER", "LOWER_UP", "M-DOWN"];

type LinkPlace = { netns: string; dev: string };

/**
 * Checks that `ip -d link show` prints the same details of two links. Ignores the fields that differ
 * from link to link: index, name, MAC address, group, alias, parent and state.
 */
export async function linksAlike(one: LinkPlace, other: LinkPlace): Promise<Finding> {
  const shown = await Promise.all(
    [one, other].map(({ netns, dev }) =>
      runIp(netns, "-details", "-json", "link", "show", "dev", linkName(dev))
    ),
  );
  const areShown = shown.every(({ success }) => success);
  const [left, right] = areShown ? shown.map(({ output }) => sharedDetails(output)) : [];
  return finding(
    `${one.dev} of ${one.netns} is like ${other.dev} of ${other.netns} in all that ip shows`,
    areShown && isDeepStrictEqual(left, right),
    ...shown,
  );
}

function sharedDetails(printed: string): Record<string, unknown> {
  const [row = {}] = JSON.parse(printed) as Record<string, unknown>[];
  const flags = (row.flags as string[]).filter((flag) => !CABLE_FLAGS.includes(flag));
  return {
    ...Object.fromEntries(Object.entries(row).filter(([key]) => !OWN_FIELDS.includes(key))),
    flags,
  };
}

/**
 * Checks that an attempt fails with an error of this code.
 *
 * @param what A name for the attempt: `a network on lo`.
 * @param attempt Makes the attempt. An error that is not an {@linkcode IpvlanError} is thrown again,
 * because it is a bug and not a refusal.
 */
export async function isRefused(
  what: string,
  attempt: () => Promise<unknown>,
  code: ErrorCode,
): Promise<Finding> {
  const sentence = `${what} is refused (${code})`;
  try {
    await attempt();
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    const output = `${error.code}: ${error.message}`;
    return finding(sentence, error.code === code, { command: what, output });
  }
  return finding(sentence, false, { command: what, output: "It was not refused" });
}

/**
 * Checks that a value is deeply equal to another one.
 *
 * @param what A name for the value: `the address of c1`.
 */
export function isEqual<T>(what: string, actual: T, expected: T): Finding {
  const output = JSON.stringify(actual, undefined, 2) ?? "undefined";
  const sentence = `${what} is ${JSON.stringify(expected)}`;
  return finding(sentence, isDeepStrictEqual(actual, expected), { command: what, output });
}
