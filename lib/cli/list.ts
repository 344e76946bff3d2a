/**
 * What the commands share that print a list: its formats, its filters, and its table.
 *
 * @module
 */
import { InvalidOptionError, throwProblems } from "../driver/errors.ts";
import type { Driver } from "../driver/mod.ts";
import type { Network } from "../driver/types.ts";
import type { Arguments, Context, Option } from "./command.ts";

/** The options that choose the format of a list, besides `--quiet`. */
export const FORMAT_OPTIONS: Option[] = [
  { name: "format", value: "FORMAT", help: "table, or json: an object per line" },
  { name: "json", help: "the same as --format json" },
];

/** How a list is printed: only the items' keys, a JSON object per item, or a table. */
export type Format = "keys" | "json" | "table";

/** Reads the format. @throws {InvalidOptionError} There is no such format. */
export function readFormat(args: Arguments): Format {
  const format = args.on("json") ? "json" : args.value("format") ?? "table";
  // The second is how scripts for Docker write it.
  const isJson = ["json", "{{json .}}"].includes(format);
  if (!isJson && format !== "table") {
    throw new InvalidOptionError("format", format, "choose table or json");
  }
  if (args.on("quiet")) return "keys";
  return isJson ? "json" : "table";
}

/** What each format prints of an item. */
export interface Listing<Item> {
  /** What `--quiet` prints. */
  key(item: Item): string;
  /** What `--format json` prints. */
  json(item: Item): unknown;
  /** The cells of the table, by their headers. */
  columns: Record<string, (item: Item) => string>;
}

/** Prints a list in a format. */
export function printList<Item>(
  items: readonly Item[],
  format: Format,
  { key, json, columns }: Listing<Item>,
  print: Context["print"],
): void {
  if (format === "table") {
    const cells = Object.values(columns);
    print(table(Object.keys(columns), items.map((item) => cells.map((cell) => cell(item)))));
  } else {
    for (const item of items) print(format === "keys" ? key(item) : JSON.stringify(json(item)));
  }
}

/** Formats rows under a header, as columns three spaces apart, as `docker network ls` does. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("   ").trimEnd()
  ).join("\n");
}

/** A condition on the networks to list, as `docker network ls --filter` has it. */
export type Filter = [key: string, value: string];

const FILTER_KEYS = ["name", "id", "driver", "label", "dangling"];

/** Reads `--filter KEY=VALUE`. @throws {InvalidOptionError} A filter is not of this form. */
export function readFilters(words: readonly string[]): Filter[] {
  const filters = words.map((word): Filter => {
    const [key = "", ...rest] = word.split("=");
    return [key, rest.join("=")];
  });
  const rule = `write one of ${FILTER_KEYS.join(", ")}, as KEY=VALUE`;
  const wrong = filters.filter(([key, value]) => !FILTER_KEYS.includes(key) || value === "");
  throwProblems(wrong.map((filter) => new InvalidOptionError("filter", filter.join("="), rule)));
  return filters;
}

/**
 * Lists the networks that match, as `docker network ls` does: a network has to match one of the
 * filters of each key, and all filters by label.
 */
export function filterNetworks(driver: Driver, filters: readonly Filter[]): Network[] {
  const values = (key: string) =>
    filters.filter(([each]) => each === key).map(([, value]) => value);
  const matchesOne = (key: string, matches: (value: string) => boolean) =>
    values(key).length === 0 || values(key).some(matches);
  const isDangling = ({ name }: Network) => driver.inspectNetwork(name).endpoints.length === 0;
  return driver.listNetworks().filter((network) =>
    matchesOne("name", (value) => network.name.includes(value)) &&
    matchesOne("id", (value) => network.id.startsWith(value)) &&
    matchesOne("driver", (value) => value === "ipvlan") &&
    matchesOne("dangling", (value) => isDangling(network) === (value === "true")) &&
    values("label").every((label) => hasLabel(network, label))
  );
}

/** Whether a network has a label: `NAME`, or `NAME=VALUE`. */
function hasLabel({ labels }: Network, label: string): boolean {
  const [name = "", ...rest] = label.split("=");
  return Object.hasOwn(labels, name) && (rest.length === 0 || labels[name] === rest.join("="));
}
