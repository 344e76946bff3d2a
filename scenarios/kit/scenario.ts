import type { Tour } from "./tour.ts";

/** An example of the guide that can be run. */
export interface Scenario {
  /** The name on the command line, like the name of its file. */
  name: string;
  /** A line that says what it shows. */
  title: string;
  /** Runs it: builds its world, and checks statements. */
  run(tour: Tour): Promise<void>;
}

/** Makes a scenario. It is the default export of its file. */
export function scenario(
  name: string,
  title: string,
  run: (tour: Tour) => Promise<void>,
): Scenario {
  return { name, title, run };
}
