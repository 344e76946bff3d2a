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
