import { linkName } from "../iproute2/words.ts";
import { type CommandResult, describeNetns, type Finding, finding, runIp } from "./finding.ts";

function showLink(netns: string | undefined, dev: string): Promise<CommandResult> {
  return runIp(netns, "-d", "link", "show", "dev", linkName(dev));
}

/**
 * Checks that the output of `ip -d link show` has all of these phrases, each as whole words:
 * `vlan protocol 802.1Q id 20`, `ipvlan mode l2`, `NOARP`.
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

/** Checks that a link does not exist. */
export async function linkIsGone(netns: string | undefined, dev: string): Promise<Finding> {
  const shown = await showLink(netns, dev);
  const isMissing = !shown.success && /^Device .* does not exist\.?$/m.test(shown.output);
  return finding(`${describeNetns(netns)} has no link ${dev}`, isMissing, shown);
}

/** Checks a link's hardware (MAC) address. */
export async function hasMac(
  netns: string | undefined,
  dev: string,
  mac: string,
): Promise<Finding> {
  const found = await linkShows(netns, dev, `link/ether ${mac.toLowerCase()}`);
  return { ...found, sentence: `${dev} of ${describeNetns(netns)} has the MAC ${mac}` };
}
