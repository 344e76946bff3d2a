/**
 * What the lab throws on purpose.
 *
 * @module
 */
import { IpvlanError } from "../lib/errors.ts";

/** The lab itself cannot do what was asked: an engine is missing, broken, or died. */
export class LabError extends IpvlanError {}

/** The words on the command line make no sense; nothing was started. */
export class UsageError extends LabError {}

/** A program, package or device that an engine needs is not there. */
export class MissingError extends LabError {
  /** What is not there. */
  readonly missing: string;

  /** Makes the error from what is missing and what to do about it. */
  constructor(missing: string, advice: string, options?: ErrorOptions) {
    super(`${missing}; ${advice}`, options);
    this.missing = missing;
  }
}
