import { throwProblems } from "../base/errors.ts";
import type { Driver, Owner } from "../driver/mod.ts";
import { ownedByEngine, shortName } from "../engine/owners.ts";

/**
 * Requires that no engine owns the networks and sandboxes. Commands that change something call
 * this; requests of engines do not. Unknown names pass: the driver has a better error for them.
 */
export function requireOwn(
  driver: Driver,
  { networks = [], sandboxes = [] }: {
    networks?: readonly string[];
    sandboxes?: readonly string[];
  },
): void {
  // Names owned by engines have a colon, and ids have 64 digits.
  if (![...networks, ...sandboxes].some((name) => /:|^[0-9a-f]{64}$/.test(name))) return;
  const ownersIn = (
    what: "network" | "sandbox",
    records: readonly {
      id: string;
      name: string;
      owner?: Owner;
    }[],
    names: readonly string[],
  ) =>
    records.flatMap(({ id, name, owner }) =>
      owner && [id, name, shortName(name)].some((each) => names.includes(each))
        ? [ownedByEngine(what, name, owner)]
        : []
    );
  throwProblems([
    ...ownersIn("network", driver.listNetworks(), networks),
    ...ownersIn("sandbox", driver.listSandboxes(), sandboxes),
  ]);
}
