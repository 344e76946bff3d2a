// Shared by the commands that print a list: formats and the table.
import { attempt, invalidOption } from "../../base/errors.ts";
import { HEADER_FUNCTIONS, type Struct, Template } from "../../template/mod.ts";
import type { Arguments, Context, Options } from "../command.ts";

export const FORMAT_OPTIONS: Options = {
  "--format FORMAT":
    "table; json: an object per line; or a Go template, as in Docker: 'table {{.Name}}'",
  "--json": "the same as --format json",
};

export type Format =
  | { readonly kind: "keys" | "table" }
  | { readonly kind: "lines" | "rows"; readonly template: Template };

/** Reads the format. @throws {"invalid-option"} It does not exist. @throws {"template"} */
export function readFormat(args: Arguments): Format {
  const format = args.on("json") ? "json" : args.value("format") ?? "table";
  const [, columns] = /^table(.+)$/s.exec(format) ?? [];
  const text = format === "json" ? "{{json .}}" : (columns ?? format).replace(/^ +/, "")
    .replaceAll("\\t", "\t").replaceAll("\\n", "\n");
  const template = format === "table" ? undefined : readTemplate(text, "choose table or json");
  if (args.on("quiet")) return { kind: "keys" };
  if (!template) return { kind: "table" };
  return { kind: columns === undefined ? "lines" : "rows", template };
}

/** Reads `--format` as a Go template with an action. @param others Other choices, for errors. */
export function readTemplate(format: string, others: string): Template {
  if (format.includes("{{")) return new Template(format);
  const rule = `${others}, or write a Go template such as {{.Name}}`;
  throw invalidOption("format", format, rule);
}

/** The fields of an item for a template and JSON, under Docker's names. */
export type Fields<Item> = Readonly<Record<string, (item: Item) => Struct[string]>>;

export interface Listing<Item> {
  key(item: Item): string;
  fields: Fields<Item>;
  /** The headers of fields in a table, where they are not their names: `CREATED AT` of `CreatedAt`. */
  headers?: Readonly<Record<string, string>>;
  /** The usual table; by default, it has all fields. */
  columns?: Fields<Item>;
}

export function printList<Item>(
  items: readonly Item[],
  format: Format,
  { key, fields, headers = {}, columns }: Listing<Item>,
  print: Context["print"],
): void {
  const headerOf = (name: string) =>
    headers[name] ?? name.replace(/([a-z])([A-Z])/g, "$1 $2").toUpperCase();
  const names = Object.keys(fields);
  switch (format.kind) {
    case "keys":
      return items.map(key).forEach(print);
    case "table": {
      const cells = Object.values(columns ?? fields);
      const header = columns ? Object.keys(columns) : names.map(headerOf);
      return print(table(header, items.map((item) => cells.map((cell) => String(cell(item))))));
    }
    case "lines":
      return items.map((item) => format.template.print(structOf(fields, item))).forEach(print);
    case "rows": {
      const { template } = format;
      const headerRow = attempt(() =>
        template.print({
          ...Object.fromEntries(names.map((name) => [name, headerOf(name)])),
          // The last part of a label's name: `tier` of `com.example.tier`.
          Label: (name) => name.split(".").at(-1)!.replaceAll(/[-_]/g, " "),
        }, HEADER_FUNCTIONS)
      );
      const printed = items.map((item) => template.print(structOf(fields, item)));
      // The header is empty if the template does not fit the headers.
      const lines = [headerRow.ok ? headerRow.value : "", ...printed].flatMap((text) =>
        text.split("\n")
      );
      const [header, ...rows] = lines.map((line) => line.split("\t"));
      return print(table(header!, rows));
    }
  }
}

function structOf<Item>(fields: Fields<Item>, item: Item): Struct {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field(item)]));
}

/** Formats rows under a header, as columns three spaces apart, as `docker network ls` does. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths: number[] = [];
  for (const row of all) {
    row.forEach((cell, column) => widths[column] = Math.max(widths[column] ?? 0, cell.length));
  }
  return all.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).join("   ").trimEnd()
  ).join("\n");
}
