/** Errors of the lab. @module */

/** The lab cannot do what was asked. */
export class LabError extends Error {
  /** Names the error. */
  override readonly name: string = "LabError";
}
