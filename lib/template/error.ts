import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";

/** Makes the error for a template, from its text, the offset of the place in it, and the reason. */
export function templateError(
  template: string,
  offset: number,
  reason: string,
): IpvlanErrorOf<"template"> {
  const before = template.slice(0, offset).split("\n");
  const column = new TextEncoder().encode(before.at(-1)).length;
  return new IpvlanError("template", { line: before.length, column, reason });
}

/** A function cannot do its work. The template's error adds the place. */
export class Refusal extends Error {}
