/**
 * The base of every error that this project throws on purpose, so that a caller can tell
 * "you asked for something that cannot be" from a defect.
 *
 * Messages are one sentence: what was wrong, with which value, what to do.
 */
export class IpvlanError extends Error {
  /** Makes the error with its message; the name is the class's own. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}
