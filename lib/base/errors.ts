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

/** A decision, or everything that is wrong with the request: at least one problem. */
export type Decision<T> =
  | ({ readonly ok: true } & T)
  | { readonly ok: false; readonly problems: readonly IpvlanError[] };

/** Runs a function. An {@linkcode IpvlanError} that it throws becomes a problem. */
export function attempt<T>(run: () => T): Decision<{ readonly value: T }> {
  try {
    return { ok: true, value: run() };
  } catch (error) {
    if (error instanceof IpvlanError) return { ok: false, problems: [error] };
    throw error;
  }
}

/** Several things are wrong with one request. */
export class ProblemsError extends IpvlanError {
  /** The problems, in the order of the request's fields. At least two. */
  readonly problems: readonly IpvlanError[];

  /** Makes the error from the problems; its message has one per line. */
  constructor(problems: readonly IpvlanError[]) {
    super(problems.map(({ message }) => message).join("\n"));
    this.problems = problems;
  }
}

/** Throws what is wrong with a request, if anything: one problem, or a {@linkcode ProblemsError}. */
export function throwProblems(problems: readonly IpvlanError[]): void {
  if (problems.length > 0) throw errorOf(problems);
}

/** Returns what was decided, or throws everything that is wrong with the request. */
export function accept<T>(decision: Decision<T>): T {
  if (decision.ok) return decision;
  throw errorOf(decision.problems);
}

function errorOf(problems: readonly IpvlanError[]): IpvlanError {
  const [first] = problems;
  return first && problems.length === 1 ? first : new ProblemsError(problems);
}

/** Runs a function. Resolves to the message of what it throws, or to `undefined`. */
export async function failureOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
