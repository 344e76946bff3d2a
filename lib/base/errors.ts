/**
 * The base class of every error that this project throws on purpose. A caller can so distinguish a
 * wrong request, or a system that refuses it, from a bug.
 *
 * Messages are one sentence: what was wrong, with which value, what to do.
 */
export class IpvlanError extends Error {
  /**
   * The field of the request that is wrong: `["subnets", 1, "gateway"]`. It is empty where the
   * error is about the request as a whole.
   */
  field: readonly (string | number)[] = [];

  /** Makes the error with its message; the name is the class's own. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }

  /**
   * Adds steps before those of {@linkcode IpvlanError.field}, and returns the error. So a function
   * that checks a part of a request names the field in that part, and its caller adds the path to
   * the part.
   */
  at(...steps: readonly (string | number)[]): this {
    this.field = [...steps, ...this.field];
    return this;
  }
}

/** The caller's signal interrupted the call. */
export class InterruptedError extends IpvlanError {
  /** Makes the error. */
  constructor() {
    super("It was interrupted");
  }
}
