import { isDeepStrictEqual } from "node:util";
import { linkName } from "../iproute2/words.ts";
import { type CommandResult, describeNetns, type Finding, finding, runIp } from "./finding.ts";

function showLink(netns: string | undefined, dev: string): Promise<CommandResult> {
  return runIp(netns, "-d", "link", "show", "dev", linkName(dev));
}

/**
 * Checks that the output of `ip -d link show` has all of these phrases, each as whole words:
 * `vlan protocol 802.1Q id 20`, `ipvlan mode l2`, `NOARP`.
 *
 * @example
 * ```ts
 * import { linkShows } from "@ipvlan/kit/check";
 *
 * const { held } = await linkShows(undefined, "eth0.20", "vlan protocol 802.1Q id 20", "UP");
 * ```
 */
export async function linkShows(
  netns: string | undefined,
  dev: string,
  ...phrases: string[]
): Promise<Finding> {
  const shown = await showLink(netns, dev);
  // ip prints flags between "<", "," and ">".
  const words = (text: string) => ` ${text.split(/[\s<>,]+/).filter(Boolean).join(" ")} `;
  return finding(
    `${dev} of ${describeNetns(netns)} is ${phrases.join(", ")}`,
    shown.success && phrases.every((phrase) => words(shown.output).includes(words(phrase))),
    shown,
  );
}

/**
 * Checks that a link does not exist.
 *
 * @example
 * ```ts
 * import { linkIsGone } from "@ipvlan/kit/check";
 *
 * const { held } = await linkIsGone(undefined, "eth0.20");
 * ```
 */
export async function linkIsGone(netns: string | undefined, dev: string): Promise<Finding> {
  const shown = await showLink(netns, dev);
  const isMissing = !shown.success && /^Device .* does not exist\.?$/m.test(shown.output);
  return finding(`${describeNetns(netns)} has no link ${dev}`, isMissing, shown);
}

/**
 * Checks a link's hardware (MAC) address.
 *
 * @example
 * ```ts
 * import { hasMac } from "@ipvlan/kit/check";
 *
 * const { held } = await hasMac("c1", "eth0", "02:00:00:00:00:01");
 * ```
 */
export async function hasMac(
  netns: string | undefined,
  dev: string,
  mac: string,
): Promise<Finding> {
  const found = await linkShows(netns, dev, `link/ether ${mac.toLowerCase()}`);
  return { ...found, sentence: `${dev} of ${describeNetns(netns)} has the MAC ${mac}` };
}

/** Fields that differ from link to link, and the state, which changes a little later than the link. */
const OWN_FIELDS = ["ifindex", "ifname", "address", "group", "ifalias", "link_index", "operstate"];

/** Flags that depend on the cable, that is on the other end. */
const CABLE_FLAGS = ["NO-CARRIER", "LOWER_UP", "M-DOWN"];

/** A link, and the namespace that it is in. */
export interface LinkPlace {
  /** The network namespace. */
  netns: string;
  /** The link's name. */
  dev: string;
}

/**
 * Checks that `ip -d link show` prints the same details of two links. Ignores the fields that differ
 * from link to link: index, name, MAC address, group, alias, parent and state.
 *
 * @example
 * ```ts
 * import { linksAlike } from "@ipvlan/kit/check";
 *
 * const { held } = await linksAlike({ netns: "c1", dev: "eth0" }, { netns: "c2", dev: "eth0" });
 * ```
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
