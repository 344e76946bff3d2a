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
  /** The missing thing, in a sentence. */
  readonly missing: string;
  /** Advice to the user. */
  readonly advice: string;

  /** Makes the error from the missing thing and the advice. */
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
  /** The reason why it cannot run the job. */
  why: string;
  /** Advice to the user. */
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

/** Formats an attempt as one line: its name, the reason, the advice. */
export function formatAttempt(attempt: Attempt): string {
  return `${attempt.name}: ${formatReason(attempt)}`;
}

/** Formats the reason of a failed attempt, and the advice. */
export function formatReason({ why, advice }: Attempt): string {
  return advice === undefined ? why : `${why}; ${advice}`;
}
