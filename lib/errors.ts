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
   * Says which field is wrong. The steps go before those that are there, so that whoever checks a
   * part names the field within that part, and the caller adds where the part is.
   */
  at(...steps: readonly (string | number)[]): this {
    this.field = [...steps, ...this.field];
    return this;
  }
}

/** What was decided, or everything that is wrong with the request: at least one problem. */
export type Decision<T> =
  | ({ readonly ok: true } & T)
  | { readonly ok: false; readonly problems: readonly IpvlanError[] };

/** Runs a function and gives an {@linkcode IpvlanError} that it throws as a problem. */
export function attempt<T>(run: () => T): Decision<{ readonly value: T }> {
  try {
    return { ok: true, value: run() };
  } catch (error) {
    if (error instanceof IpvlanError) return { ok: false, problems: [error] };
    throw error;
  }
}
