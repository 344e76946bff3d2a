/**
 * Failures that tests cause: an `ip` that waits in the middle of a command, and lines that fail.
 *
 * @module
 */
import { assert } from "@std/assert";
import type { WrapRunner } from "../../lib/driver/run/namespaces.ts";
import { routeChange } from "../../lib/iproute2/route.ts";
import { ask, type DirectRunner, make, type Runner } from "../../lib/iproute2/runner.ts";
import { children, inEnv } from "./processes.ts";

/** An `ip` that waits before lines that make a namespace or delete a link. */
const BEFORE = `
[ -p "$gate" ] || exec ip "$@"
lines=$(cat)
case $lines in
  *"netns add"* | *"link del"*) [ ! -p "$gate" ] || read -r _ < "$gate" ;;
esac
printf '%s\\n' "$lines" | ip "$@"
`;

/** An `ip` that runs the lines, and waits before it ends. */
const BEHIND = `
[ -p "$gate" ] || exec ip "$@"
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

/** An `ip` that waits in the middle of a command, so that a test can interrupt or kill the command there. */
export interface HeldIp extends AsyncDisposable {
  /** The environment in which PATH leads to this `ip`, and nothing goes by netlink. */
  env: { PATH: string; IPVLAN_TRANSPORT: "ip" };
  /** Makes every later run wait. */
  hold(): void;
  /** Resolves when a run waits. */
  waits(): Promise<void>;
  /** Lets the run go on, and makes no later run wait. */
  goOn(): Promise<void>;
}

/** Makes a {@linkcode HeldIp}, which does not wait yet. */
export async function heldIp(where: "before" | "behind"): Promise<HeldIp> {
  const folder = await Deno.makeTempDir();
  const gate = `${folder}/gate`;
  const text = script(where === "before" ? BEFORE : BEHIND);
  await Deno.writeTextFile(`${folder}/ip`, text, { mode: 0o755 });
  let writer: Deno.FsFile | undefined;
  return {
    env: { PATH: `${folder}:${Deno.env.get("PATH")}`, IPVLAN_TRANSPORT: "ip" },
    hold: () => {
      new Deno.Command("mkfifo", { args: [gate] }).outputSync();
    },
    // Opening a FIFO for writing waits until a reader has opened it (fifo(7)).
    waits: async () => {
      writer = await Deno.open(gate, { write: true });
    },
    goOn: async () => {
      await Deno.remove(gate);
      writer?.close();
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/**
 * Wraps each runner of a driver, by netlink or not.
 *
 * @param change Makes a change with `pass`, or does something else. It gets the line of `ip`, and the
 * runner.
 */
export function onChange(
  change: (line: string, pass: () => Promise<void>, runner: Runner) => Promise<void>,
): WrapRunner {
  return (runner): DirectRunner => ({
    query: (line, read) => ask(runner, line, read),
    change: (line, send) => change(line, () => make(runner, { line, send }), runner),
  });
}

/** A change that the kernel refuses, and whose refusal no step explains. */
const REFUSED = routeChange("add", { dst: "192.0.2.0/24", via: "192.0.2.1", dev: "lo" });

/** A way in which a line fails. */
export type Fault =
  /** The kernel refuses it. */
  | "refused"
  /** `ip` cannot read it, and ends. */
  | "fatal"
  /** It never runs: the shell that starts `ip` is killed before. */
  | "lost"
  /** It runs, but the shell that starts `ip` is killed before it reports the result. */
  | "unanswered"
  /** The kernel refuses it and every later line, so that nothing can be undone either. */
  | "from then on";

/**
 * Makes a line of a driver fail. Lines are counted over all namespaces. If a fault
 * loses `ip` or its answer, all lines of a burst fail together and count as one.
 */
export class Faults implements AsyncDisposable {
  #left = Infinity;
  #fault: Fault;
  /** The `ip` that withholds its answer, for the fault `unanswered`. */
  #held: HeldIp | undefined;
  #path: Disposable | undefined;
  /** The runner of the last line in this turn: later lines in the turn belong to the same burst. */
  #asked: Runner | undefined;
  /** Whether a line has failed since {@linkcode Faults.arm}. */
  fired = false;

  private constructor(fault: Fault, held?: HeldIp) {
    this.#fault = fault;
    this.#held = held;
    this.#path = held && inEnv("PATH", held.env.PATH);
  }

  /** Prepares one kind of failure. Make it before the driver, which starts programs by PATH. */
  static async of(fault: Fault): Promise<Faults> {
    return new Faults(fault, fault === "unanswered" ? await heldIp("behind") : undefined);
  }

  /** Makes the n-th line that changes something fail, counted from 1. */
  arm(n: number): void {
    this.#left = n;
    this.fired = false;
  }

  /** Lets all later lines pass. */
  disarm(): void {
    this.#left = Infinity;
  }

  /** The wrapper for the driver that fails. */
  readonly wrap: WrapRunner = (runner) => {
    if (this.#fault === "refused" || this.#fault === "from then on") {
      const direct = onChange((_, pass) => this.#isNext() ? make(runner, REFUSED) : pass());
      return direct(runner, undefined, []);
    }
    // The other faults are those of `ip`: without `ask`, a driver uses no netlink.
    return {
      query: (line) => runner.query(line),
      change: (line) => {
        if (this.#isOfBurst(runner) || !this.#isNext()) return runner.change(line);
        if (this.#fault === "lost") {
          signalStarter("SIGSTOP");
          const change = runner.change(line);
          // Pass the line on first, in this turn of the event loop.
          queueMicrotask(() => signalStarter("SIGKILL"));
          return change;
        }
        if (this.#held) {
          this.#held.hold();
          return Promise.all([runner.change(line), killHeld(this.#held)]).then(() => {});
        }
        return runner.change("addr add 1.2.3.4/33 dev lo");
      },
    };
  };

  /** Counts a line. Returns whether it fails. */
  #isNext(): boolean {
    if (--this.#left > 0) return false;
    this.fired = true;
    if (this.#fault !== "from then on") this.disarm();
    return true;
  }

  /** Whether the line fails together with the one before it: see {@linkcode Faults}. */
  #isOfBurst(runner: Runner): boolean {
    if (this.#fault !== "lost" && this.#fault !== "unanswered") return false;
    if (this.#asked === runner) return true;
    this.#asked = runner;
    queueMicrotask(() => this.#asked = undefined);
    return false;
  }

  /** Restores PATH. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#path?.[Symbol.dispose]();
    await this.#held?.[Symbol.asyncDispose]();
  }
}

/** Waits until the `ip` waits, and kills the shell that has started it. */
async function killHeld(held: HeldIp): Promise<void> {
  await held.waits();
  signalStarter("SIGKILL");
  await held.goOn();
}

/** Sends a signal to the shells that start `ip` for drivers of this process. */
function signalStarter(signal: Deno.Signal): void {
  for (const { pid, name } of children()) {
    // The shell of the test's own session has no lock file.
    const isDrivers = name === "sh" &&
      Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("ip.lock");
    if (isDrivers) Deno.kill(pid, signal);
  }
}

/**
 * Runs a call with its first, second, … line failing, until there are no more lines. Returns their
 * number, as {@linkcode Faults} counts them.
 */
export async function eachLine(
  faults: Faults,
  call: () => Promise<unknown>,
  check: (n: number, error: Error) => Promise<void>,
): Promise<number> {
  for (let n = 1;; n++) {
    faults.arm(n);
    try {
      await call();
    } catch (error) {
      faults.disarm();
      assert(faults.fired, `line ${n}: ${error}`);
      assert(error instanceof Error);
      await check(n, error);
      continue;
    }
    faults.disarm();
    assert(!faults.fired, `line ${n} failed, and the call did not`);
    return n - 1;
  }
}
