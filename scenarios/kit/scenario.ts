import type { Tour } from "./tour.ts";

/** One example of the guide, as something that can be run. */
export interface Scenario {
  /** The name on the command line, which is also the file's. */
  name: string;
  /** What it shows, in a line. */
  title: string;
  /** Runs it: builds its world, and checks statements on the tour. */
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
