import { IpvlanError } from "../base/errors.ts";

/** The options to start a program: its streams, piped by default, and a signal that ends it. */
export type SpawnOptions = Pick<Deno.CommandOptions, "stdin" | "stdout" | "stderr" | "signal">;

/**
 * Starts a program in its own session (setsid(2)), so that Ctrl-C does not end it before the caller has
 * rolled back. With a pipe as its input, it still ends with the caller, whose end closes the pipe.
 *
 * @throws {"program-not-found"} It is not on the machine.
 */
export function spawn(
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      ...options,
      detached: true,
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new IpvlanError("program-not-found", { program });
    }
    throw error;
  }
}

/** Writes a program's whole input, waits for its end, and returns its output. */
export async function feed(
  child: Deno.ChildProcess,
  input: string,
): Promise<{ success: boolean; out: string; err: string }> {
  const writer = child.stdin.getWriter();
  // A write fails only if the program has ended. Its error output then says why.
  const written = writer.write(new TextEncoder().encode(input)).then(() => writer.close())
    .catch(() => {});
  const [{ success, stdout, stderr }] = await Promise.all([child.output(), written]);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { success, out: text(stdout), err: text(stderr) };
}

/** Calls back with each line of a stream, without its newline. */
export async function eachLine(
  stream: ReadableStream<Uint8Array>,
  line: (text: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    parts.forEach(line);
  }
  if (rest !== "") line(rest);
}

/** How a program ended, in words: `exit status 1`, `killed by SIGKILL`. */
export function wordsOf({ code, signal }: Deno.CommandStatus): string {
  return signal ? `killed by ${signal}` : `exit status ${code}`;
}
