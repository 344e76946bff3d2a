/**
 * The errors of the lab.
 *
 * @module
 */
import { UserError } from "../lib/base/errors.ts";

/** The lab itself failed, not the command: an engine is missing, broken, or died. */
export class LabError extends UserError {}

/** The command line is wrong. Nothing was started. */
export class UsageError extends LabError {}

/** This machine lacks a program, package or device that an engine needs. */
export class MissingError extends LabError {
  /** A sentence that says what is missing. */
  readonly missing: string;
  /** What the user can do about it. */
  readonly advice: string;

  /** Makes the error from what is missing and what the user can do about it. */
  constructor(missing: string, advice: string, options?: ErrorOptions) {
    super(`${missing}; ${advice}`, options);
    this.missing = missing;
    this.advice = advice;
  }
}

/** A failed attempt to start an engine or a kernel. */
export interface Attempt {
  /** The engine or kernel: `native`, `uml`, `Linux 6.1.176, User-Mode Linux`. */
  name: string;
  /** Why it cannot run the job. */
  why: string;
  /** What the user can do about it. */
  advice?: string;
}

/** An engine did not start. Nothing of the job has run, so another engine can be tried. */
export class StartError extends LabError {
  /** The failed attempts, in order; at least one. */
  readonly attempts: readonly Attempt[];

  /** Makes the error from the failed attempts. */
  constructor(attempts: readonly Attempt[], options?: ErrorOptions) {
    super(attempts.map(formatAttempt).join("; "), options);
    this.attempts = attempts;
  }
}

/** Makes an attempt from the error that ended it. */
export function makeAttempt(name: string, error: LabError): Attempt {
  return error instanceof MissingError
    ? { name, why: error.missing, advice: error.advice }
    : { name, why: error.message };
}

/** Formats an attempt as one line: its name, why it failed, what to do. */
export function formatAttempt(attempt: Attempt): string {
  return `${attempt.name}: ${formatReason(attempt)}`;
}

/** Formats why an attempt failed, and what to do. */
export function formatReason({ why, advice }: Attempt): string {
  return advice === undefined ? why : `${why}; ${advice}`;
}
