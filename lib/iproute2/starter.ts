import { eachLine } from "./batch.ts";
import { SessionClosedError } from "./errors.ts";
import { spawn } from "./spawn.ts";

/** What a program left when it ended. */
export interface Ending {
  /** Its exit status; 128 + N where signal N ended it. */
  code: number;
  /** What it printed. */
  out: string[];
  /** What it printed on standard error. */
  err: string[];
}

/** What starts programs. */
export interface Starts extends AsyncDisposable {
  /** Whether it has ended, so that nothing can be started any more. */
  readonly ended: boolean;
  /** Starts a program: see {@linkcode Starter.run}. */
  run(command: string, input: readonly string[]): Promise<Ending>;
}

/** A program that has been asked for. */
interface Asked {
  resolve: (ending: Ending) => void;
  reject: (error: Error) => void;
}

/** The name of the process, for errors. */
const NAME = "sh";

/**
 * One long-lived `sh` that starts programs, one after the other. A program as large as Deno takes
 * several times as long to start another as a small one: its memory has to be copied for that, if
 * only to be thrown away (fork(2)).
 */
export class Starter implements Starts {
  #child: Deno.ChildProcess;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #asked: Asked[] = [];
  #count = 0;
  #out: Reading;
  #err: Reading;
  #closed: Error | undefined;
  #ended: Promise<void>;

  /**
   * Starts the shell.
   *
   * @param args What `$1`, `$2`, … are in the commands.
   * @throws {ProgramNotFoundError} There is none.
   */
  constructor(args: readonly string[] = []) {
    this.#child = spawn(NAME, ["-s", "--", ...args]);
    this.#writer = this.#child.stdin.getWriter();
    this.#out = new Reading(this.#child.stdout, () => this.#settle());
    this.#err = new Reading(this.#child.stderr, () => this.#settle());
    this.#ended = this.#follow();
  }

  /** Whether it has ended, so that nothing can be started any more. */
  get ended(): boolean {
    return this.#closed !== undefined;
  }

  /**
   * Starts a program when those before it have ended; resolves when it has ended itself.
   *
   * @param command A line of sh(1), which is not quoted any more.
   * @param input Lines for its standard input.
   * @throws {SessionClosedError} The shell has ended.
   */
  run(command: string, input: readonly string[]): Promise<Ending> {
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#asked.push({ resolve, reject });
      const mark = `end-${++this.#count}`;
      const text = `${command} <<'${mark}'\n${[...input, mark].join("\n")}\n` +
        `printf '\\n${MARK} %s\\n' $?; echo '${MARK}' >&2\n`;
      // A write fails only when the shell is gone, and then its end tells everybody.
      this.#writer.write(new TextEncoder().encode(text)).catch(() => {});
    });
  }

  /** Ends the shell once all that was asked for is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= new SessionClosedError(NAME, "it was closed");
    await this.#writer.close().catch(() => {});
    await this.#ended;
  }

  #settle(): void {
    while (this.#out.blocks.length > 0 && this.#err.blocks.length > 0) {
      const [out, err] = [this.#out.blocks.shift()!, this.#err.blocks.shift()!];
      const code = Number(out.mark.slice(MARK.length));
      this.#asked.shift()!.resolve({ code, out: out.lines, err: err.lines });
    }
  }

  async #follow(): Promise<void> {
    await Promise.all([this.#out.done, this.#err.done]);
    const { code, signal } = await this.#child.status;
    await this.#writer.close().catch(() => {});
    this.#closed ??= new SessionClosedError(
      NAME,
      signal ? `killed by ${signal}` : `exit status ${code}`,
    );
    for (const { reject } of this.#asked.splice(0)) reject(this.#closed);
  }
}

/** What the shell prints on both streams behind each program. */
const MARK = "ipvlan-kit: the end";

/** What one stream has brought: the lines of each program, up to its mark. */
class Reading {
  /** Those that are complete. */
  readonly blocks: { lines: string[]; mark: string }[] = [];
  /** Resolves when the stream has ended. */
  readonly done: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>, onBlock: () => void) {
    let lines: string[] = [];
    this.done = eachLine(stream, (line) => {
      if (line.startsWith(MARK)) {
        this.blocks.push({ lines, mark: line });
        lines = [];
        onBlock();
      } else if (line !== "") {
        lines.push(line);
      }
    });
  }
}
