import { IpvlanError } from "../base/errors.ts";

/**
 * A template is wrong, or does not fit its data. The message is Docker's, in one line: it names the
 * line from 1, the byte column from 0, and the part of the template.
 */
export class TemplateError extends IpvlanError {
  /** Makes the error from the template, the offset of the place in it, and the reason. */
  constructor(template: string, offset: number, reason: string) {
    const before = template.slice(0, offset).split("\n");
    const column = new TextEncoder().encode(before.at(-1)).length;
    super(
      `template parsing error: template: :${before.length}:${column}: ` +
        reason.replaceAll(/\s+/g, " "),
    );
  }
}

/** A function cannot do what it is asked for. The {@linkcode TemplateError} says where. */
export class Refusal extends Error {}
