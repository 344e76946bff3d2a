import { printable } from "../../../lib/base/printable.ts";

/** Text that is HTML already. */
export class Html {
  constructor(readonly text: string) {}
}

/** A value in a template: text is escaped, HTML is not, and of a list each. */
type Value = string | number | Html | readonly Value[];

/** Makes HTML. Everything that is put in is escaped, unless it is HTML. */
export function escaped(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(String.raw({ raw: parts }, ...values.map(write)));
}

function write(value: Value): string {
  if (value instanceof Html) return value.text;
  if (typeof value === "string") return escape(value);
  return typeof value === "number" ? String(value) : value.map(write).join("");
}

/** Escapes text for an element or for an attribute in quotes, and makes it printable. */
function escape(text: string): string {
  return printable(text).replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
