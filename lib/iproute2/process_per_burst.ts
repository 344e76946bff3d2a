import { shellWord } from "../base/printable.ts";
import { type Batch, batchArgs, type BatchProgram, type Output } from "./batch.ts";
import type { RunProgram } from "./shell.ts";
import type { Transport } from "./transport.ts";
import { linkName, pathToEnter, withNetnsFolder } from "./words.ts";
import { IpvlanError } from "../base/errors.ts";

/** Runs each batch in a new process. */
export class ProcessPerBurst implements Transport {
  readonly program: BatchProgram;
  /** Always false: the next batch gets a new process. */
  readonly ended = false;
  readonly #command: string;
  readonly #commandOfIPv6: string;
  readonly #run: RunProgram;

  /**
   * Makes it; no process is started yet.
   *
   * @param switches Settings of links in the namespace, set to 1 first: {@linkcode linkSwitch}.
   * @throws {"invalid-word"} The namespace's name is invalid.
   */
  constructor(program: BatchProgram, run: RunProgram, switches: readonly string[] = []) {
    this.program = program;
    const command = [program.program, ...batchArgs(program)].join(" ");
    const words = [program.program, "-6", ...batchArgs(program)];
    this.#commandOfIPv6 = withNetnsFolder(program.netns, words.join(" "));
    this.#command = switches.length === 0
      ? withNetnsFolder(program.netns, command)
      : commandWithSwitches(program, switches);
    this.#run = run;
  }

  /** Runs a batch. @throws {"session-closed"} The shell that starts the process has ended. */
  async run({ input, isOfIPv6 }: Batch): Promise<Output> {
    const command = isOfIPv6 ? this.#commandOfIPv6 : this.#command;
    const { code, out, err } = await this.#run(command, input);
    // A shell returns this status if it does not find the program (sh(1)).
    if (code === 127) {
      const isNsenter = err.some((line) => line.includes("nsenter"));
      throw new IpvlanError("program-not-found", {
        program: isNsenter ? "nsenter" : this.program.program,
      });
    }
    // A shell returns 128 + N for a program that signal N ended. `ip` itself returns 255.
    const isWhole = code <= 128 || code === 255;
    return { out, err, firstNumber: 1, ended: `exit status ${code}`, isWhole };
  }

  /** Does nothing: each process ends by itself. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A setting of a link that is on or off (the kernel's `ip-sysctl.rst`). */
export type LinkSwitch =
  /** No IPv6 at all. */
  | "ipv6/disable_ipv6"
  /** A gratuitous ARP request for each IPv4 address when the link comes up. */
  | "ipv4/arp_notify"
  /** An unsolicited neighbour advertisement for each IPv6 address when the link comes up. */
  | "ipv6/ndisc_notify";

/**
 * The path of a setting: `net/ipv6/conf/eth0/disable_ipv6`. @throws {"invalid-word"} No link's
 * name.
 */
export function linkSwitch(link: string, setting: LinkSwitch): string {
  const [family, name] = setting.split("/");
  return `net/${family}/conf/${linkName(link)}/${name}`;
}

/**
 * The command that switches settings on and then runs the lines. `ip` has no word for them, so a shell
 * in the namespace writes them and then executes `ip`, without another process. It skips a link that
 * was renamed or deleted meanwhile, and IPv6 settings in a kernel without IPv6.
 *
 * `nsenter` starts faster than `ip netns exec`, which also copies all mounts of the host: at least one
 * for each named namespace.
 */
function commandWithSwitches(program: BatchProgram, switches: readonly string[]): string {
  const { netns } = program;
  const enter = netns === undefined ? [] : ["nsenter", `--net=${pathToEnter(netns)}`];
  const words = [program.program, ...batchArgs({ ...program, netns: undefined })];
  // A write may fail because the link is just being deleted: then the file is gone afterwards.
  const script = 'for file; do file=/proc/sys/"$file"; [ ! -e "$file" ] || ' +
    'echo 1 2> /dev/null > "$file" || [ ! -e "$file" ] || echo 1 > "$file" || exit; done; ' +
    `exec ${words.join(" ")}`;
  return [...enter, "sh", "-c", shellWord(script), "sh", ...switches.map(shellWord)].join(" ");
}
