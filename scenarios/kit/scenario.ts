import type { BundleName } from "../../lab/fetch/bundles.ts";
import { readVersions } from "./engines/versions.ts";
import type { Tour } from "./report/tour.ts";

/** An example of the guide, or a use of an engine, that can be run. */
export interface Scenario {
  /** The name on the command line, like the name of its file. */
  name: string;
  /** Its title, in one line. */
  title: string;
  /**
   * The guest that it runs in.
   *
   * @default {undefined} Any kernel that has ipvlan.
   */
  guest?: Guest;
  /** Runs it: builds its world, and checks statements. */
  run(tour: Tour): Promise<void>;
}

/** A guest of the lab with the programs of engines. */
export interface Guest {
  /** Its name: `podman5`, `docker20+containerd16`. */
  name: string;
  /** The bundles of programs that the lab brings along. */
  bundles: readonly BundleName[];
  /**
   * The program for a second guest, which is connected with this one by wires: a path, or a URL if
   * it was loaded from the network.
   *
   * @default {undefined} There is no second guest.
   */
  second?: string;
}

/** Makes a scenario. It is the default export of its file. */
export function scenario(
  name: string,
  title: string,
  run: (tour: Tour) => Promise<void>,
): Scenario {
  return { name, title, run };
}

/**
 * Makes a scenario of what users ask for beyond the guide.
 *
 * @param bundles The programs that it needs; left out, it runs in a guest without programs.
 */
export function beyondScenario(
  name: string,
  title: string,
  run: (tour: Tour) => Promise<void>,
  bundles: readonly BundleName[] = [],
): Scenario {
  return { name, title, run, guest: { name: bundles.join("+") || "plain", bundles } };
}

/**
 * Makes the scenarios of a use of engines, one for each guest that it runs in: `netavark@podman5`.
 * They are the default export of its file.
 *
 * @param guests The bundles of programs of each guest.
 * @param run Runs it. `bundles` tells which programs there are.
 */
export function engineScenario(
  name: string,
  title: string,
  guests: readonly (readonly BundleName[])[],
  run: (tour: Tour, bundles: readonly BundleName[]) => Promise<void>,
): Scenario[] {
  return guests.map((bundles) => ({
    name: `${name}@${bundles.join("+")}`,
    title,
    guest: { name: bundles.join("+"), bundles },
    run: async (tour) => {
      for (const version of await readVersions(bundles)) tour.uses(version);
      await run(tour, bundles);
    },
  }));
}
