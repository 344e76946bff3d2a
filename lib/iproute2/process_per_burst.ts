import { type Batch, batchArgs, type BatchProgram, type Output } from "./batch.ts";
import { ProgramNotFoundError } from "./errors.ts";
import type { RunProgram } from "./shell.ts";
import type { Transport } from "./transport.ts";
import { linkName, pathToEnter } from "./words.ts";

/** A process for each batch. */
export class ProcessPerBurst implements Transport {
  /** What the processes run. */
  readonly program: BatchProgram;
  /** Always false: there is another process for the next batch. */
  readonly ended = false;
  readonly #command: string;
  readonly #run: RunProgram;

  /**
   * Makes it; no process is started yet.
   *
   * @param run Runs a program: see `Shell.run`.
   * @param withoutIPv6 Links in the namespace on which IPv6 is disabled before the first line.
   * @throws {InvalidWordError} The namespace's name, or that of a link, cannot be one.
   */
  constructor(program: BatchProgram, run: RunProgram, withoutIPv6: readonly string[] = []) {
    this.program = program;
    this.#command = withoutIPv6.length === 0
      ? [program.program, ...batchArgs(program)].join(" ")
      : commandWithoutIPv6(program, withoutIPv6);
    this.#run = run;
  }

  /**
   * Runs a batch: see {@linkcode Transport.run}.
   *
   * @throws {SessionClosedError} The shell that starts the process has ended.
   */
  async run({ input }: Batch): Promise<Output> {
    const { code, out, err } = await this.#run(this.#command, input);
    // A shell gives this status to a program that it does not find (sh(1)).
    if (code === 127) throw new ProgramNotFoundError(this.program.program);
    return { out, err, firstNumber: 1, ended: `exit status ${code}` };
  }

  /** Does nothing: each process ends by itself. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/**
 * The command that disables IPv6 on links and then runs the lines. `ip` has no word for that, so a
 * shell in the namespace writes the settings and then becomes `ip`: there is no process more. A link
 * that was renamed meanwhile is left alone, and there are no settings in a kernel without IPv6.
 */
function commandWithoutIPv6(program: BatchProgram, links: readonly string[]): string {
  const { netns } = program;
  // `ip netns exec` takes no path.
  const path = netns === undefined ? undefined : pathToEnter(netns);
  const enter = path !== undefined
    ? ["nsenter", `--net=${path}`]
    : netns !== undefined
    ? ["ip", "netns", "exec", netns]
    : [];
  const words = [program.program, ...batchArgs({ ...program, netns: undefined })];
  const script = 'for link; do file=/proc/sys/net/ipv6/conf/"$link"/disable_ipv6; ' +
    `[ ! -e "$file" ] || echo 1 > "$file" || exit; done; exec ${words.join(" ")}`;
  const names = links.map((name) => quote(linkName(name)));
  return [...enter, "sh", "-c", quote(script), "sh", ...names].join(" ");
}

/** A text as one word of sh(1). */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
