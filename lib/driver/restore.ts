import { explainLinkAdd } from "../iproute2/kernel.ts";
import type { Link } from "../iproute2/link.ts";
import type { DriverParts } from "./driver.ts";
import { dropEndpoint, dropNetwork, dropSandbox } from "./drop.ts";
import { endpointSteps, sandboxSteps } from "./endpoint.ts";
import { ParentNotFoundError } from "./errors.ts";
import { aliasSteps, linkSteps } from "./network.ts";
import { isOurs, LINK_GROUP, standsOn } from "./parent.ts";
import type { Step } from "./plan.ts";
import { isReady, withoutState } from "./store.ts";
import type { Network, RestoreReport, Sandbox } from "./types.ts";

/**
 * Undoes what a crash left half done. Only for a caller that has the lock alone, so that nothing
 * half done is anybody's who is still at it.
 *
 * @returns A sentence for each thing that was undone.
 */
export async function recover(parts: DriverParts): Promise<string[]> {
  const { store } = parts;
  const undone: string[] = [];
  for (const { name, state } of store.sandboxes()) {
    if (state === "ready") continue;
    await dropSandbox(parts, name);
    undone.push(`The sandbox "${name}" was left half ${state === "making" ? "made" : "removed"}`);
  }
  for (const endpoint of store.endpoints()) {
    if (isReady(endpoint)) continue;
    await dropEndpoint(parts, endpoint);
    undone.push(`The sandbox "${endpoint.sandbox}" was left half connected or disconnected`);
  }
  for (const network of store.networks()) {
    if (isReady(network)) continue;
    await dropNetwork(parts, withoutState(network));
    undone.push(`The network "${network.name}" was left half made or removed`);
  }
  return undone;
}

/** Brings everything on record back into the kernel. Only for a caller that has the lock alone. */
export async function restore(parts: DriverParts, undone: string[]): Promise<RestoreReport> {
  const { store, namespaces, hosts } = parts;
  const report: RestoreReport = { networks: [], sandboxes: [], missing: [], undone };
  const networks = store.networks().map(withoutState);
  const ready = new Map<string, Network>();
  for (const network of networks) {
    try {
      await restoreParent(parts, network, networks);
      ready.set(network.id, network);
      report.networks.push(network.name);
    } catch (error) {
      report.missing.push({ kind: "network", name: network.name, reason: reasonOf(error) });
    }
  }
  const present = new Set(await (await namespaces.caller()).netns.list());
  await Promise.all(
    store.sandboxes().map(async (sandbox) => {
      const lost: string[] = [];
      const endpoints = store.endpoints({ sandbox: sandbox.name }).filter(({ network }) => {
        if (ready.has(network)) return true;
        lost.push(networks.find(({ id }) => id === network)!.name);
        return false;
      });
      try {
        const there = present.has(sandbox.name) ? await linksOf(parts, sandbox) : new Set<string>();
        await namespaces.apply([
          ...(present.has(sandbox.name) ? [] : sandboxSteps(sandbox.name)),
          ...endpoints.filter(({ ifname }) => !there.has(ifname))
            .flatMap((endpoint) => endpointSteps(ready.get(endpoint.network)!, endpoint)),
        ]);
        await hosts.create(sandbox.name);
        if (lost.length === 0) return void report.sandboxes.push(sandbox.name);
        const reason = `It is not connected to ${lost.join(", ")}, which could not be restored`;
        report.missing.push({ kind: "sandbox", name: sandbox.name, reason });
      } catch (error) {
        report.missing.push({ kind: "sandbox", name: sandbox.name, reason: reasonOf(error) });
      }
    }),
  );
  await hosts.refresh(networks.map(({ id }) => id));
  report.sandboxes.sort();
  return report;
}

/**
 * Makes a network's parent anew, if the driver made it in the first place. A parent that somebody
 * else made is never made here, and so never deleted; and one of the driver's that somebody else
 * has made meanwhile is that somebody's from now on.
 */
async function restoreParent(
  { store, namespaces }: DriverParts,
  network: Network,
  networks: readonly Network[],
): Promise<void> {
  const host = await namespaces.host();
  const links = await host.link.show();
  const find = (name: string): Link | undefined => links.find((link) => link.name === name);
  const made = store.links();
  const chain = made.filter(({ name }) => standsOn(network.parent, name, made));
  const lowest = chain[0];
  const below = lowest && "link" in lowest ? lowest.link : undefined;
  if (below !== undefined && !find(below)) throw new ParentNotFoundError(network.parent, below);
  if (!lowest && !find(network.parent)) throw new ParentNotFoundError(network.parent);
  for (const { name } of chain) {
    const link = find(name);
    if (link && !isOurs(link)) store.deleteLink(name);
  }
  const absent = chain.filter(({ name }) => !find(name));
  const steps: Step[] = [...linkSteps(absent), ...aliasSteps(absent, networks, made)];
  if (steps.length > 0) await namespaces.apply(steps);
}

async function linksOf({ namespaces }: DriverParts, { name }: Sandbox): Promise<Set<string>> {
  return await namespaces.inside(name, async (ip) => {
    const links = await ip.link.show({ group: LINK_GROUP });
    return new Set(links.map((link) => link.name));
  });
}

function reasonOf(error: unknown): string {
  const explained = explainLinkAdd(error);
  return explained instanceof Error ? explained.message : String(explained);
}
