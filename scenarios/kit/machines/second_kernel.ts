/**
 * The kernel of a second guest, which wires connect with this one.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { BundleName } from "../../../lab/fetch/bundles.ts";
import type { Finding } from "../../../lib/check/mod.ts";
import { UserError } from "../../../lib/base/errors.ts";
import { Ip } from "../../../lib/iproute2/ip.ts";
import { Caller } from "./calls.ts";
import type { SharingHost } from "../hosts/pool_host.ts";
import type { HostName } from "../hosts/pool_world.ts";
import { factsOf, type HostNumber, type RoutedHost } from "../hosts/routed_host.ts";
import { engineScenario, type Scenario } from "../scenario.ts";
import type { Tour } from "../report/tour.ts";
import { CONTROL_ADDRESSES, type KernelFacts, readKernelFacts, setUpControl } from "./wire.ts";

/** The time to wait for the second guest, in milliseconds: longer than the lab's own deadline. */
const START_DEADLINE = 150_000;

/** The time between two attempts, in milliseconds. */
const RETRY = 100;

/** The time between two checks of the second guest, and its longest silence, in milliseconds. */
const [ALIVE_EVERY, SILENCE] = [5_000, 60_000];

/** The number of comparisons of the clocks. */
const COMPARISONS = 10;

/** The second guest does not answer. */
export class SecondKernelError extends UserError {}

/** The kernel of the second guest, until the end of the scope. */
export class SecondKernel implements AsyncDisposable {
  readonly #caller: Caller;
  readonly #undo: AsyncDisposableStack;

  private constructor(caller: Caller, undo: AsyncDisposableStack) {
    this.#caller = caller;
    this.#undo = undo;
  }

  /**
   * Connects with the program of the second guest.
   *
   * @throws {SecondKernelError} The second guest does not answer.
   */
  static async connect(): Promise<SecondKernel> {
    await using undo = new AsyncDisposableStack();
    await using ip = await Ip.open();
    await setUpControl(ip, CONTROL_ADDRESSES.first);
    const connection = undo.adopt(await connect(), close);
    const caller = new Caller("The second kernel", connection.readable, connection.writable);
    // A kernel that dies or hangs does not close the connection.
    const timer = setInterval(() => {
      const silence = performance.now() - caller.lastHeard;
      if (silence > SILENCE) caller.giveUp(`it has been silent for ${SILENCE / 1000} s`);
      else caller.call("facts").catch(() => {});
    }, ALIVE_EVERY);
    undo.defer(() => clearInterval(timer));
    return new SecondKernel(caller, undo.move());
  }

  /** Checks that it is another kernel. */
  async isAnother(): Promise<Finding> {
    const there = await this.#caller.call<KernelFacts>("facts");
    const here = await readKernelFacts();
    const command = "cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/osrelease";
    const show = ({ bootId, release }: KernelFacts) => ({
      command,
      output: `${bootId}\n${release}`,
    });
    return {
      sentence: `Two kernels run: Linux ${here.release} and Linux ${there.release}`,
      held: here.bootId !== there.bootId,
      evidence: [show(here), show(there)],
    };
  }

  /** Starts a host there that shares a pool. */
  async startPoolHost(name: HostName): Promise<SharingHost> {
    await this.#caller.call("startPoolHost", name);
    const method = this.#methodsOf<SharingHost>();
    return {
      name,
      call: method("call"),
      make: method("make"),
      sandboxes: method("sandboxes"),
      hostsFile: method("hostsFile"),
      reaches: method("reaches"),
      agentSays: method("agentSays"),
      [Symbol.asyncDispose]: () => this.#caller.call("endHost"),
    };
  }

  /** Starts a host there that announces routes. */
  async startRoutedHost(number: HostNumber): Promise<RoutedHost> {
    await this.#caller.call("startRoutedHost", number);
    const ahead = await this.#clockAhead();
    const method = this.#methodsOf<RoutedHost>();
    const untilRoute = method("untilRoute");
    return {
      ...factsOf(number),
      run: method("run"),
      reaches: method("reaches"),
      doesNotReach: method("doesNotReach"),
      startDaemon: method("startDaemon"),
      killDaemon: method("killDaemon"),
      untilRoute: async (pattern) => {
        const change = await untilRoute(pattern);
        return { ...change, at: change.at - ahead };
      },
      forgetRoutes: method("forgetRoutes"),
      [Symbol.asyncDispose]: () => this.#caller.call("endHost"),
    };
  }

  /** Makes proxies of the methods of the host there. */
  #methodsOf<Host>(): <Name extends keyof Host>(name: Name) => Host[Name] {
    return <Name extends keyof Host>(name: Name) => {
      const method = (...args: unknown[]) => this.#caller.call("callHost", name, args);
      return method as Host[Name];
    };
  }

  /** Measures by how much `performance.now()` there is ahead, within half a round trip. */
  async #clockAhead(): Promise<number> {
    const comparisons = [];
    for (let times = 0; times < COMPARISONS; times++) {
      const start = performance.now();
      const there = await this.#caller.call<number>("now");
      const end = performance.now();
      comparisons.push({ roundTrip: end - start, ahead: there - (start + end) / 2 });
    }
    return comparisons.toSorted((a, b) => a.roundTrip - b.roundTrip)[0]!.ahead;
  }

  /** Ends the connection. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }
}

/** Connects with the second guest, as soon as it listens. */
async function connect(): Promise<Deno.TcpConn> {
  const { second, port } = CONTROL_ADDRESSES;
  const deadline = performance.now() + START_DEADLINE;
  for (;;) {
    try {
      return await Deno.connect({ hostname: second, port });
    } catch (error) {
      if (performance.now() > deadline) {
        throw new SecondKernelError(
          `The second guest does not answer at ${second}:${port}: ${(error as Error).message}`,
        );
      }
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}

/** Closes a connection that the other side may have closed already. */
function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

/**
 * Makes the scenarios of a use of engines in two kernels: each in a pair of guests, which wires
 * connect. A pair is for one scenario only.
 *
 * @param guests The bundles of programs of both guests, for each pair.
 * @param run Runs it, in the first guest. `second` is the kernel of the other one.
 */
export function twoKernelScenario(
  name: string,
  title: string,
  guests: readonly (readonly BundleName[])[],
  run: (tour: Tour, bundles: readonly BundleName[], second: SecondKernel) => Promise<void>,
): Scenario[] {
  const url = new URL("second_kernel_program.ts", import.meta.url);
  const program = url.protocol === "file:" ? fileURLToPath(url) : url.href;
  const scenarios = engineScenario(name, title, guests, async (tour, bundles) => {
    await using second = await SecondKernel.connect();
    await run(tour, bundles, second);
  });
  return scenarios.map((scenario) => ({
    ...scenario,
    guest: { ...scenario.guest!, name: scenario.name, second: program },
  }));
}
