import type { Ip } from "../../../lib/iproute2/ip.ts";

/** A change of a route, as `ip monitor` prints it. */
export interface RouteChange {
  /** The line: `Deleted 10.1.0.5 via 172.16.1.2 dev host1 proto bgp`. */
  line: string;
  /** The time of its arrival, by `performance.now()`. */
  at: number;
}

/** How often to change a route until `ip monitor` prints it, in milliseconds. */
const RETRY = 50;

/** The time to wait for a change, in milliseconds: many times longer than needed. */
const DEADLINE = 30_000;

/** An unreachable route that routing daemons ignore, as its protocol is that of the kernel. */
const MARKER = { type: "unreachable", dst: "192.0.2.1/32", protocol: 2, metric: 1 } as const;

/** Watches the routes of a namespace, until the end of the scope. */
export class RouteMonitor implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<void>;
  readonly #netns: string;
  #changes: RouteChange[] = [];
  #wake: () => void = () => {};
  #ended = false;

  private constructor(netns: string) {
    this.#netns = netns;
    this.#child = new Deno.Command("ip", {
      args: ["-n", netns, "monitor", "route"],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#read = this.#readLines();
  }

  /**
   * Starts the watch. Resolves when it sees changes.
   *
   * @param ip `ip` in the namespace.
   */
  static async start(netns: string, ip: Ip): Promise<RouteMonitor> {
    const monitor = new RouteMonitor(netns);
    // `ip monitor` does not say when it listens, so we add and delete a route until it prints that.
    while (monitor.#changes.length === 0) {
      await ip.route.add(MARKER);
      await ip.route.del(MARKER);
      await monitor.#next(RETRY);
    }
    return monitor;
  }

  async #readLines(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      const at = performance.now();
      this.#changes.push(...lines.map((line) => ({ line: line.trim(), at })));
      this.#wake();
    }
    this.#ended = true;
    this.#wake();
  }

  /** Forgets all changes so far. */
  forget(): void {
    this.#changes = [];
  }

  /**
   * Waits for the first matching change since the last `forget`.
   *
   * @throws {Error} None came in time. It lists the changes that came.
   */
  async until(pattern: RegExp): Promise<RouteChange> {
    const deadline = performance.now() + DEADLINE;
    for (;;) {
      const found = this.#changes.find(({ line }) => pattern.test(line));
      if (found) return found;
      const left = deadline - performance.now();
      if (left <= 0) {
        const seen = this.#changes.map(({ line }) => line).join("\n");
        throw new Error(`${this.#netns} has seen no route like ${pattern}, but:\n${seen}`);
      }
      await this.#next(left);
    }
  }

  /** Waits for the next change, at most so many milliseconds. */
  async #next(longest: number): Promise<void> {
    if (this.#ended) throw new Error(`"ip -n ${this.#netns} monitor route" has ended`);
    const next = Promise.withResolvers<void>();
    this.#wake = next.resolve;
    const timer = setTimeout(next.resolve, longest);
    await next.promise;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#child.status;
    await this.#read;
  }
}
