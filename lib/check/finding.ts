import { netnsName } from "../iproute2/words.ts";

/** A command that was run, and what it printed. */
export interface Evidence {
  /** The command as one would type it: `ip -n c1 -4 route show`. */
  command: string;
  /** What it printed, on standard output and standard error, without the last newline. */
  output: string;
}

/** What a check found. */
export interface Finding {
  /** What was checked, as a sentence that is true where it held: `c1 reaches 192.168.1.1`. */
  sentence: string;
  /** Whether what was seen is what the sentence says. */
  held: boolean;
  /** What was seen. */
  evidence: Evidence[];
}

/** A command that has ended. */
export interface Ran extends Evidence {
  /** Whether its exit status was 0. */
  success: boolean;
}

/**
 * Runs a command to its end.
 *
 * @throws {Deno.errors.NotFound} The program is not on the machine.
 */
export async function run(program: string, ...args: string[]): Promise<Ran> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    command: [program, ...args].join(" "),
    output: (text(stdout) + text(stderr)).trimEnd(),
    success,
  };
}

/** The evidence of a command that was run. */
export function evidenceOf({ command, output }: Evidence): Evidence {
  return { command, output };
}

/** How a namespace is named in a sentence; `undefined` is the caller's own. */
export function who(netns: string | undefined): string {
  return netns ?? "this namespace";
}

/** The words that make `ip` act in a namespace; none for the caller's own. */
export function inNetns(netns: string | undefined): string[] {
  return netns === undefined ? [] : ["-n", netnsName(netns)];
}
