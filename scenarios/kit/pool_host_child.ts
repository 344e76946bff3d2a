/**
 * The driver of a simulated host: reads calls as JSON, one a line, and prints their results as they
 * come. A call that fails prints its error. It runs in the host's namespaces.
 *
 * @module
 */
import { Driver } from "../../lib/driver/mod.ts";
import { eachLine } from "../../lib/iproute2/spawn.ts";

/** A call: a method of the driver with its arguments. */
export interface Call {
  /** A number for the answer. */
  id: number;
  /** The method. */
  method: string;
  /** The arguments. */
  args: unknown[];
}

/** The answer to a call. */
export interface Answer {
  /** The number of the call. */
  id: number;
  /** What it came to. */
  value?: unknown;
  /** The message of its error. */
  error?: string;
  /** How long it took, in milliseconds. */
  milliseconds: number;
}

if (import.meta.main) {
  await using driver = await Driver.open();
  const methods = driver as unknown as Record<string, (...args: unknown[]) => unknown>;
  const answers: Promise<void>[] = [];
  const answer = async ({ id, method, args }: Call) => {
    const start = performance.now();
    const result: Pick<Answer, "value" | "error"> = {};
    try {
      result.value = await methods[method]!.apply(driver, args);
    } catch (error) {
      result.error = (error as Error).message;
    }
    const milliseconds = Math.round(performance.now() - start);
    console.log(JSON.stringify({ id, ...result, milliseconds } satisfies Answer));
  };
  await eachLine(Deno.stdin.readable, (line) => answers.push(answer(JSON.parse(line))));
  await Promise.all(answers);
}
