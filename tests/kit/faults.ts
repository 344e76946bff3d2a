/**
 * Failures that tests cause: an `ip` that waits in the middle of a command, and lines that fail.
 *
 * @module
 */
import type { WrapRunner } from "../../lib/driver/namespaces.ts";
import { children, inEnv } from "./processes.ts";

/** What an `ip` does that waits before the first lines that make a namespace or delete a link. */
const BEFORE = `
lines=$(cat)
case $lines in
  *"netns add"* | *"link del"*) [ ! -p "$gate" ] || read -r _ < "$gate" ;;
esac
printf '%s\\n' "$lines" | ip "$@"
`;

/** What an `ip` does that waits when all lines are done, before it ends. */
const BEHIND = `
ip "$@"
status=$?
[ ! -p "$gate" ] || read -r _ < "$gate"
exit $status
`;

const script = (batch: string) =>
  `#!/bin/sh
gate=\${0%/*}/gate
PATH=\${PATH#*:}
case "$*" in *-batch*) ;; *) exec ip "$@" ;; esac
${batch.trim()}
`;

/** An `ip` that stops in the middle of a command, so that something can happen to that just there. */
export interface HeldIp extends AsyncDisposable {
  /** The environment in which it is the `ip`. */
  env: { PATH: string };
  /** Has it wait from now on. */
  hold(): void;
  /** Resolves when it waits. */
  waits(): Promise<void>;
  /** Has it go on, and wait no more. */
  goOn(): Promise<void>;
}

/** Makes one, which does not wait yet. */
export async function heldIp(where: "before" | "behind"): Promise<HeldIp> {
  const folder = await Deno.makeTempDir();
  const gate = `${folder}/gate`;
  const text = script(where === "before" ? BEFORE : BEHIND);
  await Deno.writeTextFile(`${folder}/ip`, text, { mode: 0o755 });
  let writer: Deno.FsFile | undefined;
  return {
    env: { PATH: `${folder}:${Deno.env.get("PATH")}` },
    hold: () => void new Deno.Command("mkfifo", { args: [gate] }).outputSync(),
    // To open a pipe for writing waits for who reads it (fifo(7)).
    waits: async () => void (writer = await Deno.open(gate, { write: true })),
    goOn: async () => {
      await Deno.remove(gate);
      writer?.close();
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** How a line is made to fail. */
export type Fault =
  /** The kernel refuses it. */
  | "refused"
  /** `ip` ends over it. */
  | "fatal"
  /** It is never run, as what starts `ip` is killed before. */
  | "lost"
  /** It is run, and what starts `ip` is killed before that says so. */
  | "unanswered"
  /** It and every later one is refused, so that nothing can be undone either. */
  | "from then on";

/** Has a line fail, counted over all namespaces. */
export class Faults implements AsyncDisposable {
  #left = Infinity;
  #fault: Fault;
  /** What keeps an answer back, where one is to be. */
  #held: HeldIp | undefined;
  #path: Disposable | undefined;
  /** Whether a line was made to fail since {@linkcode Faults.arm}. */
  fired = false;

  private constructor(fault: Fault, held?: HeldIp) {
    this.#fault = fault;
    this.#held = held;
    this.#path = held && inEnv("PATH", held.env.PATH);
  }

  /** Has lines fail in one way. To be made before the driver, and to outlive it. */
  static async of(fault: Fault): Promise<Faults> {
    return new Faults(fault, fault === "unanswered" ? await heldIp("behind") : undefined);
  }

  /** Has the n-th line that changes something fail, from 1. */
  arm(n: number): void {
    this.#left = n;
    this.fired = false;
  }

  /** Has no line fail any more. */
  disarm(): void {
    this.#left = Infinity;
  }

  /** The wrapper for the driver that fails. */
  readonly wrap: WrapRunner = (runner) => ({
    query: (line) => runner.query(line),
    change: (line) => {
      if (--this.#left > 0) return runner.change(line);
      this.fired = true;
      if (this.#fault !== "from then on") this.disarm();
      if (this.#fault === "lost") {
        signalStarter("SIGSTOP");
        const change = runner.change(line);
        // By then it has been handed over.
        queueMicrotask(() => signalStarter("SIGKILL"));
        return change;
      }
      if (this.#held) {
        this.#held.hold();
        return Promise.all([runner.change(line), killHeld(this.#held)]).then(() => {});
      }
      // The refusal must not be one that a step explains.
      return runner.change(
        this.#fault === "fatal" ? "addr add 1.2.3.4/33 dev lo" : "addr del 192.0.2.1/32 dev lo",
      );
    },
  });

  /** Has nothing fail any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#path?.[Symbol.dispose]();
    await this.#held?.[Symbol.asyncDispose]();
  }
}

/** Kills what has started an `ip` that is held. */
async function killHeld(held: HeldIp): Promise<void> {
  await held.waits();
  signalStarter("SIGKILL");
  await held.goOn();
}

/** Signals the shell that starts `ip` for a driver, and any that has not ended yet since it was killed. */
function signalStarter(signal: Deno.Signal): void {
  for (const { pid, name } of children()) {
    if (name === "sh") Deno.kill(pid, signal);
  }
}
