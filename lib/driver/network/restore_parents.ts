import { IpvlanError } from "../../base/errors.ts";
import { linkSet } from "../../iproute2/link.ts";
import type { Link } from "../../iproute2/link_types.ts";
import { restoreHostSteps } from "./host_steps.ts";
import { linkSteps } from "./decide.ts";
import { networkParent } from "../model/names.ts";
import { byLinkName, isOurs, linksUnder, type MadeLinks } from "./parent.ts";
import type { Parts } from "../addresses/parts.ts";
import type { Step } from "../run/plan.ts";
import type { Network } from "../model/types.ts";

/** Makes a network's parent again if the driver made it before, and does its options' host steps. */
export async function restoreParent(
  parts: Parts<"store" | "namespaces">,
  network: Network,
): Promise<void> {
  const networks = [network];
  const links = await parts.namespaces.host().link.show();
  const failed = await restoreParents(parts, networks, links);
  const failures = failed.size > 0
    ? failed
    : await restoreHostSteps(parts, { networks, links: byLinkName(links) });
  for (const failure of failures.values()) throw failure;
}

/** Restores the parents of networks. Resolves to the failures, by network id. */
export async function restoreParents(
  { store, namespaces }: Parts<"store" | "namespaces">,
  networks: readonly Network[],
  links: readonly Link[],
): Promise<Map<string, Error>> {
  const made = byLinkName(store.links());
  const { foreign, problems, levels } = parentsPlan(networks, made, links);
  for (const name of foreign) store.deleteLink(name);
  const failures = new Map<string, Error>();
  for (const level of levels) {
    await Promise.all(
      level.map(({ name, steps }) =>
        namespaces.apply(steps).catch((error) => failures.set(name, error))
      ),
    );
  }
  return new Map(networks.flatMap(({ id, parent }) => {
    const broken = linksUnder(parent, made).find(({ name }) => failures.has(name));
    const failure = problems.get(id) ?? (broken && failures.get(broken.name));
    return failure ? [[id, failure]] : [];
  }));
}

interface ParentsPlan {
  /** The links on record that another program has made again. The driver must not delete them. */
  foreign: string[];
  problems: Map<string, IpvlanError>;
  /** The links to make or to repair. A link is on a later level than the link below it. */
  levels: { name: string; steps: Step[] }[][];
}

/**
 * Plans how to restore the parents of networks. The driver makes only links again that it made
 * before: it deletes what it makes, and must not delete a link of another program.
 */
export function parentsPlan(
  restored: readonly Network[],
  made: MadeLinks,
  links: readonly Link[],
): ParentsPlan {
  const found = byLinkName(links);
  const plan: ParentsPlan = { foreign: [], problems: new Map(), levels: [] };
  const seen = new Set<string>();
  for (const { id, ...network } of restored) {
    const { link: parent } = networkParent(network);
    // A parent in a sandbox belongs to another program, and is deleted with the namespace.
    if (parent === undefined) continue;
    const own = linksUnder(parent, made);
    const problem = parentProblem(parent, own, found);
    if (problem) {
      plan.problems.set(id, problem);
      continue;
    }
    for (const [level, spec] of own.entries()) {
      const { name } = spec;
      if (seen.has(name)) continue;
      seen.add(name);
      const link = found.get(name);
      if (link && !isOurs(link)) plan.foreign.push(name);
      const steps = !link
        ? linkSteps([spec], network.name)
        : isOurs(link) && !link.up
        ? [linkSet(name, { up: true })]
        : [];
      if (steps.length > 0) (plan.levels[level] ??= []).push({ name, steps });
    }
  }
  plan.levels = plan.levels.filter((level) => level !== undefined);
  return plan;
}

function parentProblem(
  parent: string,
  own: ReturnType<typeof linksUnder>,
  found: ReadonlyMap<string, Link>,
): IpvlanError | undefined {
  const lowest = own.find(({ name }) => !found.has(name));
  // A dummy needs no other link. A sub-interface needs the link below it, and a network its parent.
  const needed = lowest && "link" in lowest ? lowest.link : parent;
  if (lowest?.type !== "dummy" && !found.has(needed)) {
    return new IpvlanError("parent-not-found", { parent, base: lowest && needed });
  }
  const base = found.get(needed);
  // A link of the driver that is down is set up again.
  if (lowest && base && !base.up && !isOurs(base)) {
    return new IpvlanError("parent-down", { parent: base.name });
  }
  for (const spec of own) {
    const link = found.get(spec.name);
    if (!link || spec.type !== "vlan") continue;
    const { info } = link;
    const isSame = info.type === "vlan" && info.id === spec.id && link.link === spec.link &&
      info.protocol === (spec.protocol ?? "802.1Q");
    if (isSame) continue;
    const tag = `VLAN ${spec.id} (${spec.protocol ?? "802.1Q"}) of "${spec.link}"`;
    const reason = `"${spec.name}" is not ${tag} any more, as it was when the network was ` +
      "created; delete that link, and it is made again";
    return new IpvlanError("invalid-parent", { parent, reason });
  }
  return undefined;
}
