import { throwProblems } from "../base/errors.ts";
import type { Driver } from "../driver/mod.ts";
import { ownedByEngine, shortName } from "../engine/owners.ts";

/**
 * Requires that no engine owns the networks and sandboxes. Commands that change something call
 * this; requests of engines do not. Unknown names pass: the driver has a better error for them.
 */
export function requireOwn(
  driver: Driver,
  { networks = [], sandboxes = [] }: Partial<Record<"networks" | "sandboxes", readonly string[]>>,
): void {
  const names = [...networks, ...sandboxes];
  // Names owned by engines have a colon, and ids have 64 digits.
  if (!names.some((name) => /:|^[0-9a-f]{64}$/.test(name))) return;
  const kinds = [
    ["network", driver.listNetworks(), networks],
    ["sandbox", driver.listSandboxes(), sandboxes],
  ] as const;
  throwProblems(
    kinds.flatMap(([kind, records, names]) =>
      records.flatMap(({ id, name, owner }) =>
        owner && [id, name, shortName(name)].some((each) => names.includes(each))
          ? ownedByEngine(kind, name, owner)
          : []
      )
    ),
  );
}
