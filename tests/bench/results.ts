/** The measured times of a task done in one way. */
export interface Result {
  /** The task: to `make` endpoints, to `remove` endpoints, to run a `command`, ADD, … */
  task: string;
  /** The number of endpoints; 1 for a command. */
  size: number;
  /** The name of the way. */
  way: string;
  /** The time of each run, in milliseconds. Empty if it was skipped. */
  runs: number[];
  /** Why it was skipped. */
  skipped?: string;
}

/** How long each item of a task took, at a number of items. */
export interface Growth {
  /** What was done, and what an item is. */
  task: string;
  /** How many networks there were, or how many sandboxes on one network. */
  size: number;
  /** The time of each item, in milliseconds. */
  each: number;
}

/** A comparison of two ways. */
export interface Ratio {
  /** A label that says what is compared. */
  what: string;
  /** The median of the one divided by the median of the other; absent if one was not measured. */
  ratio?: number;
  /** The target of the ratio, at most or at least; absent if there is none. */
  aim?: { most: number } | { least: number };
}

/** The measurements in the lab. */
export interface Measured {
  /** The engine of the lab. */
  engine: string;
  /** The kernel's release. */
  kernel: string;
  /** All measured times. */
  results: Result[];
  /** How calls slow down. */
  growth: Growth[];
  /** The comparisons. */
  ratios: Ratio[];
}

/** The report that a bench writes as JSON. */
export interface Report extends Measured {
  /** The machine's load average (proc(5)) over a minute, before and after. */
  load: [number, number];
}

/** The median of numbers. @throws {RangeError} if there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  if (low === undefined || high === undefined) throw new RangeError("There is no value");
  return (low + high) / 2;
}

/** Compares the results, with the target of each ratio. */
export function computeRatios(results: readonly Result[]): Ratio[] {
  const value = (task: Result["task"], size: number, way: string): number | undefined => {
    const found = results.find((one) => one.task === task && one.size === size && one.way === way);
    return found && found.runs.length > 0 ? median(found.runs) : undefined;
  };
  const sizesOf = (task: Result["task"]) => [
    ...new Set(results.filter((one) => one.task === task).map(({ size }) => size)),
  ];
  const ratios: Ratio[] = [];
  const compare = (what: string, one?: number, other?: number, aim?: Ratio["aim"]) => {
    const ratio = one === undefined || other === undefined ? undefined : one / other;
    ratios.push({ what, ...(ratio !== undefined && { ratio }), ...(aim && { aim }) });
  };

  const sizes = sizesOf("make");
  for (const size of sizes) {
    const own = value("make", size, "driver");
    const made = `making ${size}`;
    compare(`${made}: driver / script`, own, value("make", size, "script"), { most: 1.15 });
    compare(`${made}: processes / driver`, value("make", size, "processes"), own, { least: 3 });
    compare(`${made}: cni / driver`, value("make", size, "cni"), own, { least: 5 });
  }
  const [few, many] = [sizes.includes(10) ? 10 : sizes[0]!, Math.max(...sizes)];
  if (many > few) {
    const growth = (way: string) => {
      const [small, large] = [value("make", few, way), value("make", many, way)];
      return small === undefined || large === undefined ? undefined : large / many / (small / few);
    };
    const what = `time per endpoint at ${many} / at ${few}`;
    compare(`${what}: driver`, growth("driver"), 1);
    compare(`${what}: script`, growth("script"), 1);
    compare(`${what}: driver / script`, growth("driver"), growth("script"), { most: 1.5 });
  }
  for (const size of sizesOf("remove")) {
    const [one, other] = [value("remove", size, "processes"), value("remove", size, "driver")];
    compare(`removing ${size}: processes / driver`, one, other, { least: 10 });
  }
  const plain = value("command", 1, "ip netns exec");
  for (const { way } of results.filter(({ task }) => task === "command")) {
    if (way !== "ip netns exec") {
      compare(`${way} / ip netns exec`, value("command", 1, way), plain);
    }
  }
  return ratios;
}

/** Compares the time of each item at the most items with that at the fewest. */
export function growthRatios(growth: readonly Growth[]): Ratio[] {
  return [...Map.groupBy(growth, ({ task }) => task)].flatMap(([task, measured]) => {
    const [few, many] = [measured[0]!, measured.at(-1)!];
    if (few === many) return [];
    const what = `${task}: at ${many.size} / at ${few.size}`;
    return [{ what, ratio: many.each / few.each, aim: { most: 1.5 } }];
  });
}

/** Formats the report as text. */
export function render({ engine, kernel, load, results, growth, ratios }: Report): string {
  const times = results.map(({ task, size, way, runs, skipped }) => [
    task === "command" ? "command" : `${task} ${size}`,
    way,
    ...(runs.length === 0 ? ["-", "-", "-", skipped ?? ""] : [
      format(median(runs)),
      format(median(runs) / size),
      String(runs.length),
      `${format(Math.min(...runs))} to ${format(Math.max(...runs))}`,
    ]),
  ]);
  const compared = ratios.map(({ what, ratio, aim }) => [
    what,
    ratio === undefined ? "-" : ratio.toFixed(2),
    aim === undefined ? "" : "most" in aim ? `≤ ${aim.most}` : `≥ ${aim.least}`,
    ratio === undefined || aim === undefined
      ? ""
      : isReached(ratio, aim)
      ? "reached"
      : "not reached",
  ]);
  return [
    `${engine}, Linux ${kernel}; load average ${load.map((one) => one.toFixed(2)).join(" to ")}`,
    "",
    ...columns(["task", "way", "median, ms", "per endpoint", "runs", "from to"], times),
    "",
    ...growth.length === 0 ? [] : [
      ...columns(
        ["growth", "at", "each, ms"],
        growth.map(({ task, size, each }) => [task, String(size), each.toFixed(2)]),
      ),
      "",
    ],
    ...columns(["ratio", "", "aim", ""], compared),
  ].join("\n");
}

/** Whether a ratio has reached its target. */
function isReached(ratio: number, aim: NonNullable<Ratio["aim"]>): boolean {
  return "most" in aim ? ratio <= aim.most : ratio >= aim.least;
}

function format(milliseconds: number): string {
  return milliseconds.toFixed(milliseconds < 100 ? 1 : 0);
}

/** Formats rows as columns, below a head. */
export function columns(head: string[], rows: string[][]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()
  );
}
