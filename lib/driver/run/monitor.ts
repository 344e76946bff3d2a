import { linesOf, spawn } from "../../iproute2/shell.ts";
import { pause } from "../../base/waiting.ts";

/** How often to poll for changes when `ip monitor` has ended, in milliseconds. */
const INTERVAL = 1000;

/** How often to poll while it is silent, in milliseconds: it may have missed a change at its start. */
const SILENCE = 5000;

/** Runs `ip` until it ends or the input of the shell does, as it does when this program is killed. */
const UNTIL_CLOSED = 'ip "$@" & exec >&-; read -r _; kill $!';

/** Watches a namespace for links that appear, change or go: `ip monitor link`. */
export class LinkMonitor implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #reading: Promise<void>;
  #lines: string[] = [];
  #hasEnded = false;
  /** Ends the wait for the next line. */
  #told = new AbortController();

  /** Starts watching a namespace. `undefined` is the namespace of this process. */
  constructor(netns: string | undefined) {
    const args = [...(netns === undefined ? [] : ["-netns", netns]), "monitor", "link"];
    this.#child = spawn("sh", ["-c", UNTIL_CLOSED, "sh", ...args], { stderr: "null" });
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    for await (const line of linesOf(this.#child.stdout)) {
      this.#lines.push(line);
      this.#told.abort();
    }
    this.#hasEnded = true;
    this.#told.abort();
  }

  /** Waits until there may have been a change, or until the deadline. Resolves to the new lines. */
  async changed(deadline: AbortSignal): Promise<string[]> {
    if (this.#lines.length === 0) {
      this.#told = new AbortController();
      const ending = AbortSignal.any([deadline, this.#told.signal]);
      await pause(this.#hasEnded ? INTERVAL : SILENCE, ending);
    }
    return this.#lines.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
    await this.#reading;
  }
}

/** The links that lines of `ip monitor link` show as deleted, down or without carrier. */
export function stoppedLinks(lines: readonly string[]): Set<string> {
  return new Set(lines.flatMap((line) => {
    const [, deleted, name, flags] = /^(Deleted )?\d+: ([^:@\s]+)[^<]*<([^>]*)>/.exec(line) ?? [];
    if (name === undefined || !deleted && flags!.split(",").includes("LOWER_UP")) return [];
    return [name];
  }));
}
