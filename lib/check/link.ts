import { isDeepStrictEqual } from "node:util";
import { linkName } from "../iproute2/words.ts";
import { evidenceOf, type Finding, inNetns, type Ran, run, who } from "./finding.ts";

function show(netns: string | undefined, dev: string): Promise<Ran> {
  return run(
    "ip",
    ...inNetns(netns),
    ...["-d", "link", "show", "dev", linkName(dev)],
  );
}

/**
 * Checks that what `ip -d link show` prints of a link has all of these phrases, each as whole
 * words: `vlan protocol 802.1Q id 20`, `ipvlan mode l2`, `NOARP`.
 *
 * @param netns The network namespace; `undefined` for the caller's own.
 */
export async function linkShows(
  netns: string | undefined,
  dev: string,
  ...phrases: string[]
): Promise<Finding> {
  const shown = await show(netns, dev);
  // Flags stand between "<", "," and ">".
  const words = (text: string) => ` ${text.split(/[\s<>,]+/).filter(Boolean).join(" ")} `;
  return {
    sentence: `${dev} of ${who(netns)} is ${phrases.join(", ")}`,
    held: shown.success &&
      phrases.every((phrase) => words(shown.output).includes(words(phrase))),
    evidence: [evidenceOf(shown)],
  };
}

/**
 * Checks that there is no such link.
 *
 * @param netns The network namespace; `undefined` for the caller's own.
 */
export async function linkIsGone(netns: string | undefined, dev: string): Promise<Finding> {
  const shown = await show(netns, dev);
  return {
    sentence: `${who(netns)} has no link ${dev}`,
    held: !shown.success && /^Device .* does not exist\.?$/m.test(shown.output),
    evidence: [evidenceOf(shown)],
  };
}

/**
 * Checks a link's hardware (MAC) address.
 *
 * @param netns The network namespace; `undefined` for the caller's own.
 */
export async function hasMac(
  netns: string | undefined,
  dev: string,
  mac: string,
): Promise<Finding> {
  const found = await linkShows(netns, dev, `link/ether ${mac.toLowerCase()}`);
  return { ...found, sentence: `${dev} of ${who(netns)} has the MAC ${mac}` };
}

/** What each link has of its own, and its state, which follows the cable in its own time. */
const OWN = ["ifindex", "ifname", "address", "group", "ifalias", "link_index", "operstate"];

/** Flags that follow the cable. */
const CABLE_FLAGS = ["NO-CARRIER", "LOWER_UP", "M-DOWN"];

/** A link, and the namespace that it is in. */
export interface LinkPlace {
  /** The network namespace. */
  netns: string;
  /** The link's name. */
  dev: string;
}

/**
 * Checks that `ip -d link show` prints the same of two links, but for the index, the name, the MAC
 * address, the group, the alias and the state, which each has of its own.
 */
export async function linksAlike(one: LinkPlace, other: LinkPlace): Promise<Finding> {
  const places = [one, other];
  const shown = await Promise.all(
    places.map(({ netns, dev }) =>
      run("ip", ...inNetns(netns), "-details", "-json", "link", "show", "dev", linkName(dev))
    ),
  );
  const alike = () => {
    const [left, right] = shown.map(({ output }) => sharedDetails(output));
    return isDeepStrictEqual(left, right);
  };
  const [left, right] = places.map(({ netns, dev }) => `${dev} of ${netns}`);
  return {
    sentence: `${left} is like ${right} in all that ip shows`,
    held: shown.every(({ success }) => success) && alike(),
    evidence: shown.map(evidenceOf),
  };
}

function sharedDetails(printed: string): Record<string, unknown> {
  const [row = {}] = JSON.parse(printed) as Record<string, unknown>[];
  const flags = (row.flags as string[]).filter((flag) => !CABLE_FLAGS.includes(flag));
  return {
    ...Object.fromEntries(Object.entries(row).filter(([key]) => !OWN.includes(key))),
    flags,
  };
}
