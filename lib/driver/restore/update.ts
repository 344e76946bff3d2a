// Changes options of a network that is there, with its sandboxes.
import {
  accept,
  failureOf,
  invalidOption,
  IpvlanError,
  notUndone,
  throwProblems,
} from "../../base/errors.ts";
import { endpointAddresses } from "../../ipam/address.ts";
import { linkSet } from "../../iproute2/link.ts";
import type { DriverParts, Parts } from "../addresses/parts.ts";
import { overlapProblems } from "../endpoint/decide.ts";
import { siblingsOf } from "../endpoint/routes.ts";
import { CHANGING, NETWORK_OPTIONS, type OptionName } from "../model/options.ts";
import type { Network, NetworkOptions, Outcome } from "../model/types.ts";
import { hostFacts } from "../network/create.ts";
import { type DecidedNetwork, decideNetwork } from "../network/decide.ts";
import { restoreHostSteps } from "../network/host_steps.ts";
import { byLinkName } from "../network/parent.ts";
import { besideOthers, settle, toSettled } from "../network/settle.ts";
import { lookInside } from "../run/namespaces.ts";
import { findPresent, findSettled } from "../store/find.ts";
import { isReady, type Store, withoutState } from "../store/store.ts";
import { endpointRepair, withdrawals } from "./repair.ts";

/** Changes options of a network, or nothing. The caller must hold the exclusive lock. */
export async function updateNetwork(
  parts: DriverParts,
  name: string,
  given: Partial<NetworkOptions>,
): Promise<Outcome<Network>> {
  const { store, hosts, unstoppable } = parts;
  const network = findSettled(store, name);
  const { links, notices, ...decided } = await decideUpdate(parts, network, given);
  const { reservations } = network;
  const next: Network = { ...decided.network, ...reservations && { reservations } };
  store.putNetwork(network, "updating", next);
  try {
    await change(parts, network, next);
  } catch (error) {
    const failure = await failureOf(() => undoUpdate(unstoppable, network, next));
    throw failure === undefined ? error : notUndone(error, failure);
  }
  store.transaction(() => {
    store.putNetwork(next, "ready");
    for (const link of links) if (store.link(link.name)) store.putLink(link);
  });
  // If a file cannot be written, a later call writes it.
  await hosts.refresh([next.id], [], unstoppable.wait).catch(() => {});
  return { value: next, notices };
}

export async function undoUpdate(
  parts: Parts<"store" | "namespaces">,
  network: Network,
  next: Network,
): Promise<void> {
  await change(parts, next, network);
  parts.store.putNetwork(network, "ready");
}

async function decideUpdate(
  parts: Parts<"store" | "namespaces">,
  { id, created, ...network }: Network,
  given: Partial<NetworkOptions>,
): Promise<DecidedNetwork> {
  const { store } = parts;
  const names = Object.keys(given) as OptionName[];
  const refused = (name: string, value: unknown, rule: string) =>
    invalidOption(name, String(value ?? ""), `${rule}: make the network anew`);
  const changing = names.filter((name) => CHANGING.includes(name))
    .map((name) => [name, given[name]]);
  const all = store.networks().map(withoutState);
  const others = all.filter((other) => other.id !== id);
  const now = toSettled({ ...network, id, created });
  const [settled] = besideOthers([settle({ ...now, ...Object.fromEntries(changing) })], others);
  const facts = await hostFacts(parts, [settled!.network]);
  const decided = decideNetwork(settled!, { id, created }, others, facts);
  // They are as this network has made them, so the decision cannot see what they were before.
  if (decided.ok && network.changed) decided.network.changed = network.changed;
  throwProblems([
    ...network.ipam
      ? [refused("IPAM driver", network.ipam.driver, "other hosts have the same options")]
      : [],
    ...names.filter((name) => !CHANGING.includes(name)).map((name) =>
      refused(NETWORK_OPTIONS[name]?.label ?? name, given[name], "it cannot change").at(name)
    ),
    ...decided.ok ? endpointProblems(store, decided.network) : decided.problems,
  ]);
  return accept(decided);
}

/** Finds what the endpoints of a network have against its new routes. */
function endpointProblems(store: Store, network: Network): IpvlanError[] {
  const hops = network.routes?.flatMap(({ via }) => via ?? []) ?? [];
  return store.endpoints({ network: network.id }).flatMap((endpoint) => [
    ...endpointAddresses(endpoint).filter((address) => hops.includes(address)).map((address) =>
      new IpvlanError("address-held", { address, holder: `the sandbox "${endpoint.sandbox}"` })
    ),
    ...overlapProblems(
      { network, endpoint },
      findPresent(store, endpoint.sandbox).filter((other) => other.endpoint.id !== endpoint.id),
    ),
  ]);
}

/** The MTU of a dummy if nothing sets it. */
const USUAL_MTU = 1500;

/**
 * Changes what the kernel has of a network, but makes no links of sandboxes. It looks at the kernel
 * first, so it may go on where another one was killed, and back.
 */
async function change(
  parts: Parts<"store" | "namespaces">,
  from: Network,
  to: Network,
): Promise<void> {
  const { store, namespaces } = parts;
  const { id, parent: name, isolated, mtu = USUAL_MTU } = to;
  const endpoints = store.endpoints({ network: id }).filter(isReady);
  const links = byLinkName(await namespaces.host().link.show());
  const found = links.get(name);
  const parent = found && isolated ? { ...found, mtu } : found;
  const connected = new Set<typeof endpoints[number]>();
  const steps = await Promise.all(endpoints.map(async (endpoint) => {
    const { sandbox } = endpoint;
    const siblings = siblingsOf(store.endpoints({ sandbox }));
    const seen = await lookInside(namespaces, sandbox, true);
    const view = { seen, parent, siblings, path: store.sandbox(sandbox)!.path };
    const { state, make } = endpointRepair(to, endpoint, view);
    // `restore` makes it.
    if (state === "missing") return [];
    connected.add(endpoint);
    return [...make, ...withdrawals(from, to, endpoint, view)];
  }));
  const others = store.networks({ parent: name }).map(withoutState).filter((each) =>
    each.id !== id
  );
  const beside = { networks: [to, ...others], former: from, links, endpoints, connected };
  const failures = await restoreHostSteps(parts, beside);
  for (const failure of failures.values()) throw failure;
  // The kernel gives the links of a parent its new MTU.
  const dummy = parent && parent.mtu !== found!.mtu ? [linkSet(name, { mtu })] : [];
  await namespaces.apply([...dummy, ...steps.flat()]);
}
