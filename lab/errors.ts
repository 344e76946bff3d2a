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
  /** What to do about it. */
  readonly advice: string;

  /** Makes the error from what is missing and what to do about it. */
  constructor(missing: string, advice: string, options?: ErrorOptions) {
    super(`${missing}; ${advice}`, options);
    this.missing = missing;
    this.advice = advice;
  }
}

/** Something that was tried to run a job in, and why it cannot. */
export interface Attempt {
  /** What was tried: `native`, `uml`, `Linux 6.1.176, User-Mode Linux`. */
  name: string;
  /** What is wrong with it. */
  why: string;
  /** What the user can do about it. */
  advice?: string;
}

/** An engine did not start. Nothing of the job has run, so another engine can be tried. */
export class StartError extends LabError {
  /** All that was tried, in its order; at least one. */
  readonly attempts: readonly Attempt[];

  /** Makes the error from what was tried. */
  constructor(attempts: readonly Attempt[], options?: ErrorOptions) {
    super(attempts.map(attemptLine).join("; "), options);
    this.attempts = attempts;
  }
}

/** What was tried, made of the error that ended it. */
export function attemptOf(name: string, error: LabError): Attempt {
  return error instanceof MissingError
    ? { name, why: error.missing, advice: error.advice }
    : { name, why: error.message };
}

/** An attempt in a line: its name, what is wrong, what to do. */
export function attemptLine(attempt: Attempt): string {
  return `${attempt.name}: ${reasonOf(attempt)}`;
}

/** Why an attempt failed, and what to do. */
export function reasonOf({ why, advice }: Attempt): string {
  return advice === undefined ? why : `${why}; ${advice}`;
}
