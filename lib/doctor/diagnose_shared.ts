import { shellLine } from "../base/printable.ts";
import { about, type Diagnosis } from "./diagnosis.ts";
import type { HeldAddress } from "../driver/addresses/holders.ts";
import type { SharedFacts } from "./facts.ts";

/** Diagnoses the pools shared under one prefix of etcd. @param held This host's addresses. */
export function diagnoseShared(
  { prefix, problem, refused, untold, lost, hosts, ownId }: SharedFacts,
  held: readonly HeldAddress[],
): Diagnosis[] {
  const subject = about(`etcd ${prefix}`);
  const found: Diagnosis[] = [];
  if (refused !== undefined) found.push(subject.broken(refused));
  for (const { address, sandbox, host } of lost) {
    const link = held.find((each) => each.address === address)?.holder ?? "no link here";
    const what =
      `The host "${host}" has the address ${address} of "${sandbox}", and ${link} has it`;
    found.push(subject.broken(what, "remove one of them, and then: ipvlan restore"));
  }
  if (problem !== undefined) {
    const fix = "start it, or check the network between; running sandboxes work on, and new " +
      "addresses come from what this host keeps";
    found.push(subject.broken(problem, fix));
  }
  if (untold > 0) {
    const what = `It lacks ${untold} change(s) of this host`;
    found.push(subject.warning(what, "ipvlan restore; the agent does it by itself"));
  }
  const others = hosts.filter(({ id }) => id !== ownId);
  const own = hosts.find(({ id }) => id === ownId);
  if (others.length > 0 && own && !own.isAlive) {
    const what =
      "No agent runs here: names of other hosts' sandboxes are those of the last command";
    found.push(subject.warning(what, "ipvlan agent --print-unit prints a systemd unit"));
  }
  // If no agent runs anywhere, we cannot tell which hosts are gone.
  const gone = hosts.some(({ isAlive }) => isAlive)
    ? others.filter(({ isAlive, addresses }) => !isAlive && addresses > 0)
    : [];
  for (const { id, name, addresses } of gone) {
    const what = `The host "${name}" holds ${addresses} address(es), and no agent runs there`;
    const fix =
      shellLine`start the agent there; or if it is gone for good: ipvlan host rm --yes ${id}`;
    found.push(subject.warning(what, fix));
  }
  for (const { name, copies } of hosts) {
    for (const copy of copies) {
      const what = `The host "${copy}" is a copy of "${name}", and was refused`;
      found.push(subject.warning(what, "remove the networks of one of them"));
    }
  }
  if (found.length > 0) return found;
  return [subject.ok(`It answers, and has ${hosts.length} host(s)`)];
}
