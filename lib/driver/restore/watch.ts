// Restores what stands on a parent that comes back: plugged in, made again, renamed back, or late at
// boot.
import { IpvlanError } from "../../base/errors.ts";
import { pause } from "../../base/waiting.ts";
import type { Link } from "../../iproute2/link_types.ts";
import type { AgentOptions } from "../addresses/shared/agent.ts";
import type { Parts } from "../addresses/parts.ts";
import { networkParent } from "../model/names.ts";
import { type Network, type RestoreReport, restoreSentences } from "../model/types.ts";
import { byLinkName, linksUnder, type MadeLinks, whyCutOff } from "../network/parent.ts";
import { LinkMonitor, stoppedLinks } from "../run/monitor.ts";
import { isReady } from "../store/store.ts";

export interface Ground {
  id: string;
  /** The lowest link; the driver made the others, and can make them again. */
  base: string;
  names: string[];
  /** The state of the links: two links of one name differ in it. */
  state: string;
  /** The lowest link that is missing and not the driver's, or that stands still; if there is one. */
  lacking?: string;
}

/** Finds the links that a network stands on; `undefined` for one that stands on none of the host's. */
export function groundOf(
  network: Pick<Network, "id" | "parent">,
  made: MadeLinks,
  links: ReadonlyMap<string, Link>,
): Ground | undefined {
  const { link: parent } = networkParent(network);
  if (parent === undefined) return undefined;
  const own = linksUnder(parent, made);
  const [lowest] = own;
  // A dummy stands on nothing.
  const base = !lowest || "link" in lowest ? lowest?.link ?? parent : lowest.name;
  const names = [...new Set([base, ...own.map(({ name }) => name)])];
  return {
    id: network.id,
    base,
    names,
    state: JSON.stringify(names.map((name) => {
      const { index, master } = links.get(name) ?? {};
      return [index, master, whyCutOff(links.get(name))];
    })),
    lacking: names.find((each) =>
      whyCutOff(links.get(each)) !== undefined &&
      (links.has(each) || !own.some(({ name }) => name === each))
    ),
  };
}

/** What a look at the host's links has left to remember. */
export interface Known {
  /** The states in which networks were whole, by network id. Empty for one that is not. */
  states: ReadonlyMap<string, string>;
  /** The links that networks wait for. */
  waiting: ReadonlySet<string>;
}

/**
 * Decides whether to restore. A network that is seen for the first time has only just been made.
 *
 * @param stopped The links that have stopped since the last look, and may run again.
 * @param known What the last look has left; left out for the first look, after which all is restored.
 */
export function judge(
  grounds: readonly Ground[],
  stopped: ReadonlySet<string>,
  known?: Known,
): Known & { isDue: boolean; back: string[] } {
  const changed = grounds.filter(({ id, names, state }) =>
    (known ? known.states.get(id) ?? state : "") !== state ||
    names.some((each) => stopped.has(each))
  );
  const due = changed.filter(({ lacking }) => lacking === undefined);
  const back = due.flatMap(({ names, base }) =>
    names.filter((each) => known?.waiting.has(each) || each === base && stopped.has(each))
  );
  const waiting = changed.filter((each) => !due.includes(each));
  return {
    states: new Map(grounds.map((each) => [each.id, waiting.includes(each) ? "" : each.state])),
    waiting: new Set(waiting.flatMap(({ lacking }) => lacking ?? [])),
    isDue: due.length > 0,
    back: [...new Set(back)],
  };
}

/** The least time between two looks, in milliseconds: a link comes in several steps. */
const REST = 100;

/** Restores each time that links on which networks stand are back, until the signal is aborted. */
export async function watchParents(
  { store, namespaces }: Parts<"store" | "namespaces">,
  restoreOnce: () => Promise<RestoreReport>,
  { notify = () => {}, report = () => {} }: AgentOptions,
  signal: AbortSignal,
): Promise<void> {
  await using monitor = new LinkMonitor(namespaces.hostName);
  let known: Known | undefined;
  let said: string[] = [];
  let stopped = new Set<string>();
  while (!signal.aborted) {
    const links = byLinkName(await namespaces.host().link.show());
    const made = byLinkName(store.links());
    const networks = store.networks().filter(isReady);
    const grounds = networks.flatMap((each) => groundOf(each, made, links) ?? []);
    const { isDue, back, ...next } = judge(grounds, stopped, known);
    for (const name of next.waiting) {
      if (known?.waiting.has(name)) continue;
      notify(`The link "${name}" is ${whyCutOff(links.get(name))}: what stands on it waits for it`);
    }
    if (isDue) {
      const problems = await restoreOnce().then(restoreSentences, (error) => {
        if (signal.aborted || !(error instanceof IpvlanError)) throw error;
        return [error.message];
      });
      problems.filter((each) => !said.includes(each)).forEach(notify);
      said = problems;
      for (const name of problems.length > 0 ? [] : back) {
        report(`The link "${name}" is back: restored what stands on it`);
      }
    }
    known = next;
    await pause(REST, signal);
    stopped = stoppedLinks(await monitor.changed(signal));
  }
}
