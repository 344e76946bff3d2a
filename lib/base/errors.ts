import { ERRORS, type ErrorTable } from "./error_codes.ts";

/** The code of an error. It stays the same between versions. */
export type ErrorCode = keyof ErrorTable;

/** The fields of an error with a code. */
export type ErrorFields<Code extends ErrorCode> = Readonly<ErrorTable[Code]>;

/**
 * An error whose message is for the user: a wrong request, or a system that refuses it, and no bug.
 * The message is one sentence: what was wrong, with which value, what to do.
 */
export class UserError extends Error {
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
   * Adds steps before those of {@linkcode UserError.field}, and returns the error. So a function
   * that checks a part of a request names the field in that part, and its caller adds the path to
   * the part.
   */
  at(...steps: readonly (string | number)[]): this {
    this.field = [...steps, ...this.field];
    return this;
  }
}

class CodedError extends UserError {
  readonly code: ErrorCode;
  #problems?: readonly IpvlanError[];

  constructor(code: ErrorCode, fields: object = {}, options?: ErrorOptions) {
    const sentence = ERRORS[code] as (fields: object) => string;
    super(sentence(fields), options);
    this.name = "IpvlanError";
    this.code = code;
    Object.assign(this, fields);
  }

  get problems(): readonly IpvlanError[] {
    return this.#problems ?? [this as IpvlanError];
  }

  toJSON(): object {
    const { name: _, code, message, ...fields } = this;
    return { code, message, ...fields };
  }

  static ofProblems(problems: readonly IpvlanError[]): IpvlanError {
    const error = new CodedError("problems", { sentences: problems.map((each) => each.message) });
    error.#problems = problems;
    return error as IpvlanError;
  }
}

/** An error with one of these codes, and with the fields of that code. */
export type IpvlanErrorOf<Code extends ErrorCode> = Code extends ErrorCode
  ? UserError & ErrorFields<Code> & {
    /** The kind of error. */
    readonly code: Code;
    /** All that is wrong, in the order of the request's fields: the error itself, if it is alone. */
    readonly problems: readonly IpvlanError[];
  }
  : never;

/**
 * An error that this project throws on purpose. Its code tells which fields it has: after
 * `error.code === "address-held"`, there is `error.holder`.
 */
export type IpvlanError = IpvlanErrorOf<ErrorCode>;

/** Makes errors by their codes, and tells them from bugs by `instanceof`. */
export const IpvlanError = CodedError as unknown as {
  new <Code extends ErrorCode>(
    code: Code,
    ...rest: keyof ErrorTable[Code] extends never ? []
      : [fields: ErrorFields<Code>, options?: ErrorOptions]
  ): IpvlanErrorOf<Code>;
  readonly prototype: IpvlanError;
};

/**
 * Whether a caught value is an {@linkcode IpvlanError} with one of the codes.
 *
 * @example
 * ```ts
 * import { Driver, isIpvlanError } from "@ipvlan/kit";
 *
 * await using driver = await Driver.open();
 * try {
 *   await driver.connect("web", "c1", { ip: "192.168.1.77" });
 * } catch (error) {
 *   if (!isIpvlanError(error, "address-held")) throw error;
 *   console.log(`${error.holder} has it`);
 * }
 * ```
 */
export function isIpvlanError<Code extends ErrorCode>(
  error: unknown,
  ...codes: readonly Code[]
): error is IpvlanErrorOf<Code> {
  return error instanceof CodedError && (codes as readonly ErrorCode[]).includes(error.code);
}

/**
 * Whether a caught value is an {@linkcode IpvlanError} with one of the codes among its problems.
 *
 * @example
 * ```ts
 * import { Driver, hasProblem } from "@ipvlan/kit";
 *
 * await using driver = await Driver.open();
 * try {
 *   await driver.createSandbox({ name: "c1", connections: [{ network: "web" }] });
 * } catch (error) {
 *   if (!hasProblem(error, "sandbox-exists")) throw error;
 * }
 * ```
 */
export function hasProblem(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof CodedError && error.problems.some(({ code }) => codes.includes(code));
}

/** Makes the error for an option whose value is not allowed, or which does not exist. */
export function invalidOption(
  option: string,
  value: string,
  rule: string,
): IpvlanErrorOf<"invalid-option"> {
  return new IpvlanError("invalid-option", { option, value, rule });
}

export function notUndone(cause: unknown, obstacle: unknown): IpvlanErrorOf<"not-undone"> {
  const fields = { failure: messageOf(cause), obstacle: messageOf(obstacle) };
  return new IpvlanError("not-undone", fields, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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

/** Runs a function. Returns the problem that it throws, if any. */
export function problemOf(run: () => unknown): IpvlanError | undefined {
  const result = attempt(run);
  return result.ok ? undefined : result.problems[0];
}

/** The same for a function that is awaited. */
export async function problemIn(run: () => Promise<unknown>): Promise<IpvlanError | undefined> {
  try {
    await run();
  } catch (error) {
    if (error instanceof IpvlanError) return error;
    throw error;
  }
}

/** Runs a function. Resolves to `undefined` if it throws an error with one of the codes. */
export async function unlessError<T>(
  codes: readonly ErrorCode[],
  run: () => T | Promise<T>,
): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!isIpvlanError(error, ...codes)) throw error;
  }
}

/** Throws what is wrong with a request, if anything: one error with all `problems`. */
export function throwProblems(problems: readonly IpvlanError[]): void {
  if (problems.length > 0) throw errorOf(problems);
}

/** Returns what was decided, or throws everything that is wrong with the request. */
export function accept<T>(decision: Decision<T>): T {
  if (decision.ok) return decision;
  throw errorOf(decision.problems);
}

/** Makes one error of all problems: the only one, or one with the code `problems`. */
export function errorOf(problems: readonly IpvlanError[]): IpvlanError {
  return problems.length === 1 ? problems[0]! : CodedError.ofProblems(problems);
}

/** Runs a function. Resolves to the message of what it throws, or to `undefined`. */
export async function failureOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run();
  } catch (error) {
    return messageOf(error);
  }
}
