import { doesNotReach, type Finding, reaches } from "../check/mod.ts";
import { ping, REPLY_TIMEOUT } from "../check/reach.ts";
import { atOnce } from "../base/waiting.ts";
import type { Endpoint, SandboxDetails } from "../driver/model/types.ts";
import { bareAddresses, endpointAddresses, familyOf } from "../ipam/address.ts";
import { contains, parseAddress, parsePrefix } from "../ipam/mod.ts";
import type { Records } from "./records.ts";
import type { ApplyOptions, Check } from "./types.ts";

/** The number of concurrent checks: each starts processes. */
const CONCURRENCY = 16;

/** The place where checks run: the records, and the driver's host, by default the caller's own. */
type CheckPlace = Records & Pick<ApplyOptions, "host" | "signal">;

/** Runs all checks. The findings have the sentences and the order of the checks. */
export function makeChecks(checks: readonly Check[], place: CheckPlace): Promise<Finding[]> {
  return atOnce(CONCURRENCY, checks, (check) => makeCheck(check, place));
}

async function makeCheck(check: Check, place: CheckPlace): Promise<Finding> {
  const { sentence, from, network, target } = check;
  const { signal } = place;
  const targets = targetsOf(check, place.sandboxes);
  if (targets.length === 0) {
    const output = `${target} has no address of that family`;
    return { sentence, held: false, evidence: [{ command: sentence, output }] };
  }
  const own = place.sandboxes.find(({ name }) => name === from)?.endpoints ?? [];
  const dev = network && own.find((endpoint) => endpoint.network === network)?.ifname;
  const found = check.reaches
    // To be reached, one address has to answer; to be out of reach, none may answer.
    ? [await reaches(from, targets[0]!.address, { dev, signal })]
    : await Promise.all(targets.map((each) => isOutOfReach(from, dev, each, place)));
  return {
    sentence,
    held: found.every(({ held }) => held),
    evidence: found.flatMap(({ evidence }) => evidence),
  };
}

export interface Target {
  address: string;
  sandbox?: string;
}

/** Lists the addresses of a check's target: first on shared networks, and first IPv4. */
export function targetsOf(check: Check, sandboxes: readonly SandboxDetails[]): Target[] {
  const { from, network, target, family } = check;
  const endpoints = sandboxes.flatMap(({ name, endpoints }) =>
    endpoints.filter(({ aliases }) => name === target || aliases.includes(target))
  );
  const isSandbox = sandboxes.some(({ name }) => name === target);
  if (endpoints.length === 0 && !isSandbox) {
    const owner = sandboxes.find(({ endpoints }) =>
      endpoints.some((endpoint) => bareAddresses(endpoint).includes(target))
    );
    return [{ address: target, ...(owner && { sandbox: owner.name }) }];
  }
  const shared = network === undefined
    ? sandboxes.find(({ name }) => name === from)?.endpoints.map((each) => each.network) ?? []
    : [network];
  const isNear = (endpoint: Endpoint) => shared.includes(endpoint.network);
  const ordered = [...endpoints.filter(isNear), ...endpoints.filter((each) => !isNear(each))];
  return ordered.flatMap((endpoint) =>
    bareAddresses(endpoint)
      .filter((address) => family === undefined || familyOf(address) === family)
      .map((address) => ({ address, sandbox: endpoint.sandbox }))
  );
}

/** Checks that an address does not answer a sandbox, but a control: its sandbox, or another. */
async function isOutOfReach(
  from: string,
  dev: string | undefined,
  { address, sandbox }: Target,
  place: CheckPlace,
): Promise<Finding> {
  const { sandboxes, host, signal } = place;
  const neighbour = neighbourOf(from, dev, address, place);
  const doesNotAnswer = (control: string | undefined) =>
    doesNotReach(from, address, { control, reaches: neighbour, dev, signal });
  if (sandbox !== undefined) return await doesNotAnswer(sandbox);
  const onNetwork = new Map(
    sandboxes.filter(({ name }) => name !== from)
      .flatMap(({ name, endpoints }) => endpoints.map(({ network }) => [network, name])),
  );
  const candidates = [host, ...new Set(onNetwork.values())];
  const asked = await Promise.all(
    candidates.map((control) => ping(control, address, { seconds: REPLY_TIMEOUT, signal })),
  );
  const index = asked.findIndex(({ reply }) => reply !== undefined);
  if (index !== -1) return await doesNotAnswer(candidates[index]);
  return {
    sentence: `${address} answers nobody, so its silence to ${from} proves nothing`,
    held: false,
    evidence: asked.map(({ command, output }) => ({ command, output })),
  };
}

/** Finds an address that must answer a sandbox: of a neighbour, first on the link, or its own. */
export function neighbourOf(
  from: string,
  dev: string | undefined,
  target: string,
  { networks, sandboxes }: CheckPlace,
): string {
  const endpoints = sandboxes.flatMap(({ endpoints }) => endpoints);
  const own = endpoints.filter(({ sandbox }) => sandbox === from)
    .toSorted((one, other) => Number(other.ifname === dev) - Number(one.ifname === dev));
  const neighbours = own.flatMap(({ network, ifname, ...addresses }) => {
    const subnets = endpointAddresses(addresses).map((address) => parsePrefix(address).prefix);
    const isOpen = networks.find(({ name }) => name === network)?.flag === "bridge";
    return endpoints.filter((each) => isOpen && each.network === network && each.sandbox !== from)
      .flatMap(bareAddresses)
      .filter((address) => address !== target || (dev ?? ifname) !== ifname)
      .filter((address) => subnets.some((subnet) => contains(subnet, parseAddress(address))));
  });
  return neighbours[0] ?? "127.0.0.1";
}
