/**
 * `ipvlan cni serve`.
 *
 * @module
 */
import type { Driver } from "../driver/mod.ts";
import { stateFolder, storeFile } from "../driver/sqlite_store.ts";
import {
  type CallAnswer,
  concat,
  greetingOf,
  type PassedCall,
  SOCKET,
} from "../engine/cni/caller.ts";
import { runPlugin } from "../engine/cni/mod.ts";
import { serve } from "../engine/cni/serve.ts";
import { versionAnswer } from "../engine/cni/version.ts";
import { socketName } from "../engine/socket.ts";
import { printable } from "../printable.ts";
import { Interrupt } from "../signals.ts";
import type { Arguments, Context } from "./command.ts";
import { passedSocket } from "./passed_socket.ts";
import { identity } from "./cni_install.ts";

/** How long a server that systemd has started stays without a call, in milliseconds. */
const IDLE = 300_000;

/** Serves calls of the plugin until a signal. Resolves to the exit status. */
export async function serveCalls(
  args: Arguments,
  { open, warn }: Pick<Context, "open" | "warn">,
): Promise<number> {
  using interrupt = new Interrupt({ again: (status) => Deno.exit(status) });
  await using driver = await open(undefined, true);
  // Otherwise the next call would do this, and wait for it.
  (await driver.recover()).forEach(warn);
  const passed = passedSocket(Deno.env.toObject(), Deno.pid);
  const socket = args.value("socket") ?? passed ?? SOCKET;
  const file = storeFile(stateFolder());
  const inode = inodeOf(file);
  const greeting = greetingOf(identity(), stateFolder());
  await serve({
    socket,
    // What is done in a state folder that was removed is on record nowhere.
    greeting: () => inodeOf(file) === inode ? greeting : undefined,
    signal: interrupt.signal,
    idle: socket === passed ? IDLE : undefined,
    listening: () => warn(`Listening at ${socketName(socket)}`),
    answer: async (call) => {
      const start = performance.now();
      const said = await answerCall(call, driver);
      const { CNI_COMMAND = "", CNI_CONTAINERID = "" } = call.variables;
      if (said.status !== 0 || args.on("verbose")) {
        const took = Math.round(performance.now() - start);
        const reason = said.status === 0 ? "" : `: ${new TextDecoder().decode(said.out)}`;
        warn(`${CNI_COMMAND} ${CNI_CONTAINERID}: status ${said.status} in ${took} ms${reason}`);
      }
      return said;
    },
  });
  return 0;
}

/** Answers a call as a process of its own would. */
async function answerCall(
  { folder, variables, text }: PassedCall,
  driver: Driver,
): Promise<CallAnswer> {
  const log: Uint8Array[] = [];
  const { status, output } = variables.CNI_COMMAND === "VERSION"
    ? { status: 0, output: versionAnswer(text) }
    : await runPlugin(variables, text, {
      folder,
      withDriver: (run) => run(driver),
      warn: (line) => log.push(encode(`ipvlan: ${line}`)),
      log: (printed) => log.push(printed),
    });
  return {
    status,
    out: output === undefined ? new Uint8Array() : encode(JSON.stringify(output, null, 4)),
    err: concat(log),
  };
}

/** A text as a process prints it. */
function encode(text: string): Uint8Array {
  return new TextEncoder().encode(`${printable(text)}\n`);
}

function inodeOf(path: string): number | null | undefined {
  try {
    return Deno.statSync(path).ino;
  } catch {
    return undefined;
  }
}
