import { type Link, linkDel, linkSet } from "../iproute2/link.ts";
import type { DriverParts } from "./parts.ts";
import { dropEndpoint, dropNetwork, dropSandbox, mark } from "./drop.ts";
import { endpointSteps, sandboxSteps } from "./endpoint.ts";
import { ParentNotFoundError, SandboxGoneError } from "./errors.ts";
import { aliasSteps, linkSteps } from "./network.ts";
import { isOurs, standsOn } from "./parent.ts";
import { byPlace, type Step } from "./plan.ts";
import { isReady, type State, withoutState } from "./store.ts";
import type { Network, RestoreReport } from "./types.ts";

/** What became of what a crash had left half done. */
export type Recovery = Pick<RestoreReport, "undone" | "missing">;

/**
 * Undoes what a crash left half done. Only for a caller that has the lock alone, so that nothing
 * half done is anybody's who is still at it. What cannot be undone stays on record as it is, and is
 * in nobody's way but of those who want its name.
 */
export async function recover(parts: DriverParts): Promise<Recovery> {
  const { store, processes } = parts;
  const { undone, missing }: Recovery = { undone: [], missing: [] };
  const records = [...store.sandboxes(), ...store.endpoints(), ...store.networks()];
  if (records.every(isReady)) return { undone, missing };
  // What the one that was killed had asked for may come to be only now.
  await processes.idle();
  const attempt = async (
    what: { kind: "network" | "sandbox"; name: string },
    state: string,
    run: () => Promise<void>,
  ) => {
    try {
      await run();
      undone.push(`The ${what.kind} "${what.name}" was left ${state}`);
    } catch (error) {
      missing.push({ ...what, reason: `It was left ${state}: ${reasonOf(error)}` });
    }
  };
  const half = (state: State) => `half ${state === "making" ? "made" : "removed"}`;
  for (const record of store.sandboxes()) {
    if (isReady(record)) continue;
    const what = { kind: "sandbox", name: record.name } as const;
    const sandbox = withoutState(record);
    await attempt(what, half(record.state), () => {
      const endpoints = store.endpoints({ sandbox: sandbox.name });
      store.transaction(() => mark(store, { sandbox, endpoints }, "removing"));
      return dropSandbox(parts, sandbox);
    });
  }
  for (const record of store.endpoints()) {
    if (isReady(record) || missing.some(({ name }) => name === record.sandbox)) continue;
    const what = { kind: "sandbox", name: record.sandbox } as const;
    const state = record.state === "making" ? "half connected" : "half disconnected";
    await attempt(what, state, () => {
      store.transaction(() => mark(store, { endpoints: [record] }, "removing"));
      return dropEndpoint(parts, record);
    });
  }
  for (const record of store.networks()) {
    if (isReady(record)) continue;
    const what = { kind: "network", name: record.name } as const;
    await attempt(what, half(record.state), () => dropNetwork(parts, withoutState(record)));
  }
  return { undone, missing };
}

/** Brings everything on record back into the kernel. Only for a caller that has the lock alone. */
export async function restore(parts: DriverParts, recovery: Recovery): Promise<RestoreReport> {
  const { store, namespaces, hosts, processes } = parts;
  const { undone, missing } = recovery;
  // Another that was killed may be at it still.
  await processes.idle();
  const report: RestoreReport = { networks: [], sandboxes: [], missing: [...missing], undone };
  const networks = store.networks().map(withoutState);
  const ready = new Map<string, Network>();
  for (const network of store.networks().filter(isReady).map(withoutState)) {
    try {
      await restoreParent(parts, network, networks);
      ready.set(network.id, network);
      report.networks.push(network.name);
    } catch (error) {
      report.missing.push({ kind: "network", name: network.name, reason: reasonOf(error) });
    }
  }
  const present = new Set(await namespaces.caller().netns.list());
  const sandboxes = store.sandboxes().filter(isReady);
  await Promise.all(
    sandboxes.map(async (sandbox) => {
      const { name } = sandbox;
      const endpoints = store.endpoints({ sandbox: name }).filter(isReady);
      const lost = endpoints.filter(({ network }) => !ready.has(network))
        .map(({ network }) => networks.find(({ id }) => id === network)!.name);
      try {
        if (!present.has(name) && sandbox.namespace !== "made") throw new SandboxGoneError(name);
        const links = present.has(name) ? await namespaces.inside(name).link.show() : [];
        const loopback = links.find((link) => link.name === "lo");
        const isDown = sandbox.namespace === "made" && loopback?.up === false;
        const ours = links.filter(isOurs);
        const whole = ours.filter(({ alias }) => alias !== undefined).map((link) => link.name);
        // One that was being made when a call was cut short may lack an address or a route.
        await namespaces.apply(
          ours.filter((link) => !whole.includes(link.name))
            .map((link) => ({ netns: name, line: linkDel(link.name) })),
        );
        await namespaces.apply(byPlace([
          ...(present.has(name) ? [] : sandboxSteps(sandbox)),
          ...(isDown ? [{ netns: name, line: linkSet("lo", { up: true }) }] : []),
          ...endpoints
            .filter(({ network, ifname }) => ready.has(network) && !whole.includes(ifname))
            .flatMap((endpoint) => endpointSteps(ready.get(endpoint.network)!, endpoint)),
        ]));
        if (lost.length === 0) return void report.sandboxes.push(name);
        const reason = `It is not connected to ${lost.join(", ")}, which could not be restored`;
        report.missing.push({ kind: "sandbox", name, reason });
      } catch (error) {
        report.missing.push({ kind: "sandbox", name, reason: reasonOf(error) });
      }
    }),
  );
  await hosts.refresh(networks.map(({ id }) => id), sandboxes.map(({ name }) => name));
  report.sandboxes.sort();
  return report;
}

/**
 * Makes a network's parent anew, if the driver made it in the first place. A parent that somebody
 * else made is never made here, and so never deleted; and one of the driver's that somebody else
 * has made meanwhile is that somebody's from now on.
 */
export async function restoreParent(
  { store, namespaces }: DriverParts,
  network: Network,
  networks: readonly Network[],
): Promise<void> {
  const host = namespaces.host();
  const links = await host.link.show();
  const find = (name: string): Link | undefined => links.find((link) => link.name === name);
  const made = store.links();
  const chain = made.filter(({ name }) => standsOn(network.parent, name, made));
  const [lowest] = chain.filter(({ name }) => !find(name));
  const needed = lowest && "link" in lowest ? lowest.link : network.parent;
  if (lowest?.type !== "dummy" && !find(needed)) {
    throw new ParentNotFoundError(network.parent, lowest && needed);
  }
  for (const { name } of chain) {
    const link = find(name);
    if (link && !isOurs(link)) store.deleteLink(name);
  }
  const absent = chain.filter(({ name }) => !find(name));
  const steps: Step[] = [...linkSteps(absent), ...aliasSteps(absent, networks, made)];
  if (steps.length > 0) await namespaces.apply(steps);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
