/**
 * `ipvlan cni install` and `ipvlan cni serve`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import metadata from "../../deno.json" with { type: "json" };
import { statOf } from "../base/files.ts";
import type { EngineDriver } from "../driver/mod.ts";
import { stateFolder, storeFile } from "../driver/model/state_folder.ts";
import {
  type CallAnswer,
  callerAt,
  greetingOf,
  type PassedCall,
  PLUGIN_FOLDER,
  type ProgramIdentity,
  SOCKET,
  wayOfCalls,
} from "../engine/cni/caller.ts";
import { runPlugin } from "../engine/cni/mod.ts";
import { serve, type ServeOptions } from "../engine/cni/serve.ts";
import { PLUGIN_NAME, versionAnswer } from "../engine/cni/version.ts";
import { socketName } from "../engine/socket.ts";
import { printable } from "../base/printable.ts";
import { Interrupt } from "../base/signals.ts";
import type { Arguments, Context } from "./command.ts";
import { executableText, writeExecutable } from "../install/executable.ts";
import {
  cniUnits,
  lastingProgram,
  passedSocket,
  thisProgram,
  unitsText,
  writeUnits,
} from "../install/unit.ts";

/** This folder exists if systemd is the init system (sd_booted(3)). */
const BOOTED = "/run/systemd/system";

/** The identity of this program, by which a caller and the server see that they are the same. */
function identity(): ProgramIdentity {
  return { version: metadata.version, program: thisProgram() };
}

/** Writes the plugin's executable, and the units of its server. */
export async function install(
  args: Arguments,
  { print, warn }: Pick<Context, "print" | "warn">,
): Promise<void> {
  const [, folder = PLUGIN_FOLDER] = args.positionals;
  const env = Deno.env.toObject();
  const units = cniUnits(lastingProgram(), env, SOCKET);
  if (args.on("print-unit")) {
    print(unitsText(units));
    return;
  }
  const text = pluginText(env);
  print(await writeExecutable(folder, PLUGIN_NAME, text));
  if (statOf(BOOTED) !== undefined) {
    writeUnits(units).forEach(print);
    warn("Next: systemctl daemon-reload");
    warn("Next: systemctl enable --now ipvlan-cni.socket");
  }
  const { what, fix } = wayOfCalls();
  warn(fix === undefined ? what : `${what}: ${fix}`);
}

/** The text of the plugin's executable. @param socket The path of the server's socket. */
export function pluginText(env: Readonly<Record<string, string>>, socket = SOCKET): string {
  return executableText(thisProgram(), ["cni"], env, callerAt(socket, identity()));
}

/** The time after which a server that systemd started ends if there is no call, in milliseconds. */
const IDLE = 300_000;

/** The options of a server of calls. */
export interface ServerOptions extends Pick<ServeOptions, "socket" | "signal" | "idle"> {
  /** The driver, which stays open. */
  driver: EngineDriver;
  /** The driver's state folder. */
  stateDir: string;
  /** Whether to log every call, not only those that failed. */
  verbose: boolean;
  /** Gets lines for the log. */
  warn(line: string): void;
}

/** `ipvlan cni serve`. */
export async function serveCalls(
  args: Arguments,
  { open, warn }: Pick<Context, "open" | "warn">,
): Promise<void> {
  using interrupt = new Interrupt({ again: (status) => Deno.exit(status) });
  await using driver = await open();
  const passed = passedSocket(Deno.env.toObject(), Deno.pid);
  const socket = args.value("socket") ?? passed ?? SOCKET;
  await runServer({
    driver,
    stateDir: stateFolder(),
    socket,
    idle: socket === passed ? IDLE : undefined,
    signal: interrupt.signal,
    verbose: args.on("verbose"),
    warn,
  });
}

/** Serves calls of the plugin. @throws {"socket"} The socket cannot be made. */
export async function runServer(
  { driver, stateDir, socket, idle, signal, verbose, warn }: ServerOptions,
): Promise<void> {
  // Do it now: otherwise, the first call would have to wait for it.
  (await driver.recover()).forEach(warn);
  const file = storeFile(stateDir);
  const inode = statOf(file)?.ino;
  const greeting = greetingOf(identity(), stateDir);
  const queues = new CallQueues();
  await serve({
    socket,
    // If the state folder was removed, changes would not be on record anywhere.
    greeting: () => statOf(file)?.ino === inode ? greeting : undefined,
    signal,
    idle,
    listening: () => warn(`Listening at ${socketName(socket)}`),
    answer: async (call) => {
      const start = performance.now();
      const { CNI_COMMAND = "", CNI_CONTAINERID = "" } = call.variables;
      const said = await queues.run(CNI_CONTAINERID, () => answerCall(call, driver));
      if (said.status !== 0 || verbose) {
        const took = Math.round(performance.now() - start);
        const words = new TextDecoder().decode(said.out).replace(/\s+/g, " ");
        const reason = said.status === 0 ? "" : `: ${words}`;
        warn(`${CNI_COMMAND} ${CNI_CONTAINERID}: status ${said.status} in ${took} ms${reason}`);
      }
      return said;
    },
  });
}

/**
 * Runs the calls for one container one after another. A runtime makes one call for a container at a
 * time, but it may kill the caller of an ADD that still runs here. DEL must then wait for that ADD.
 */
class CallQueues {
  #last = new Map<string, Promise<unknown>>();

  async run<T>(container: string, call: () => Promise<T>): Promise<T> {
    if (container === "") return await call();
    const before = this.#last.get(container);
    const result = before ? before.then(call, call) : call();
    this.#last.set(container, result);
    try {
      return await result;
    } finally {
      if (this.#last.get(container) === result) this.#last.delete(container);
    }
  }
}

/** Answers a call as a separate process would. */
async function answerCall(
  { folder, variables, text }: PassedCall,
  driver: EngineDriver,
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
    err: Buffer.concat(log),
  };
}

/** Encodes a text as a process prints it. */
function encode(text: string): Uint8Array {
  return new TextEncoder().encode(`${printable(text)}\n`);
}
