// The service and the server of plugins whose calls a server answers: `ipvlan cni`, `ipvlan
// netavark`.
import { Buffer } from "node:buffer";
import metadata from "../../deno.json" with { type: "json" };
import { statOf } from "../base/files.ts";
import type { EngineDriver } from "../driver/mod.ts";
import { stateFolder, storeFile } from "../driver/model/state_folder.ts";
import {
  type CallAnswer,
  callerLines,
  greetingOf,
  howCallsReach,
  type ProgramIdentity,
} from "../engine/caller.ts";
import { engineTitle } from "../engine/owners.ts";
import {
  type Plugin,
  PLUGIN_NAME,
  type PluginCall,
  printedAnswer,
  type RunPlugin,
} from "../engine/plugins.ts";
import { serve, type ServeOptions } from "../engine/serve.ts";
import { socketName } from "../engine/socket.ts";
import { printable } from "../base/printable.ts";
import { Interrupt } from "../base/signals.ts";
import type { Arguments, Context } from "./command.ts";
import { executableText } from "../install/service.ts";
import { thisProgram } from "../install/program.ts";
import { passedSocket, serverUnits } from "../install/unit.ts";
import type { MakeService } from "./service.ts";

/** The identity of this program, by which a caller and the server see that they are the same. */
function identityOf({ command }: Plugin): ProgramIdentity {
  return { version: metadata.version, program: [...thisProgram(), command] };
}

/** The service of a plugin, with its executable in a folder. */
export function serviceOf(plugin: Plugin, folder = plugin.folder): MakeService {
  const { command, socket } = plugin;
  const { what, fix } = howCallsReach(plugin);
  return (program, env) => ({
    command,
    socket,
    units: serverUnits(program, env, [command, engineTitle(command)], socket),
    executable: {
      path: `${folder.replace(/(?<=.)\/+$/, "")}/${PLUGIN_NAME}`,
      text: pluginText(plugin, env),
    },
    hint: fix === undefined ? what : `${what}: ${fix}`,
  });
}

export function pluginText(plugin: Plugin, env: Readonly<Record<string, string>>): string {
  const before = callerLines(plugin, identityOf(plugin));
  return executableText(thisProgram(), plugin.command, env, before);
}

/** The time after which a server that systemd started ends if there is no call, in milliseconds. */
const IDLE = 300_000;

/** `ipvlan cni serve` and `ipvlan netavark serve`. */
export async function serveCalls(
  plugin: Plugin,
  run: RunPlugin,
  args: Arguments,
  { open, warn }: Pick<Context, "open" | "warn">,
): Promise<undefined> {
  using interrupt = new Interrupt({ again: (status) => Deno.exit(status) });
  await using driver = await open();
  const passed = passedSocket(Deno.env.toObject(), Deno.pid);
  const socket = args.value("socket") ?? passed ?? plugin.socket;
  const idle = socket === passed ? IDLE : undefined;
  const options = { socket, idle, signal: interrupt.signal };
  await runServer(plugin, run, driver, options, args.on("verbose"), warn);
}

/** Serves calls of a plugin. With `verbose`, `warn` gets a line for all, else for failed ones. */
export async function runServer(
  plugin: Plugin,
  run: RunPlugin,
  driver: EngineDriver,
  options: Pick<ServeOptions, "socket" | "signal" | "idle">,
  verbose: boolean,
  warn: (line: string) => void,
): Promise<void> {
  // Do it now: otherwise, the first call would have to wait for it.
  (await driver.recover()).forEach(warn);
  const stateDir = stateFolder();
  const file = storeFile(stateDir);
  const inode = statOf(file)?.ino;
  const greeting = greetingOf(identityOf(plugin), stateDir);
  const last = new Map<string, Promise<unknown>>();
  await serve({
    ...options,
    // If the state folder was removed, changes would not be on record anywhere.
    greeting: () => statOf(file)?.ino === inode ? greeting : undefined,
    listening: () => warn(`Listening at ${socketName(options.socket)}`),
    answer: async (call) => {
      const start = performance.now();
      const [command, container] = plugin.subjectOf(call);
      const said = await inTurn(last, container, () => answerCall(run, call, driver));
      if (said.status !== 0 || verbose) {
        const took = Math.round(performance.now() - start);
        const words = new TextDecoder().decode(said.out).replace(/\s+/g, " ");
        const reason = said.status === 0 ? "" : `: ${words}`;
        const subject = `${command} ${container}`.trim();
        warn(`${subject}: status ${said.status} in ${took} ms${reason}`);
      }
      return said;
    },
  });
}

/**
 * Runs a call when the one before it for the same container has ended. An engine makes one at a time,
 * but it may kill the caller of one that still runs here. @param last The last call of each container.
 */
async function inTurn<T>(
  last: Map<string, Promise<unknown>>,
  container: string,
  call: () => Promise<T>,
): Promise<T> {
  const before = container === "" ? undefined : last.get(container);
  const result = before ? before.then(call, call) : call();
  last.set(container, result);
  try {
    return await result;
  } finally {
    if (last.get(container) === result) last.delete(container);
  }
}

/** Answers a call as a separate process would. */
async function answerCall(
  run: RunPlugin,
  call: PluginCall,
  driver: EngineDriver,
): Promise<CallAnswer> {
  const log: Uint8Array[] = [];
  const answered = await run(call, {
    withDriver: (use) => use(driver),
    warn: (line) => log.push(encode(`ipvlan: ${line}`)),
    log: (printed) => log.push(printed),
  });
  const printed = printedAnswer(answered);
  return {
    status: answered.status,
    out: printed === undefined ? new Uint8Array() : encode(printed),
    err: Buffer.concat(log),
  };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(`${printable(text)}\n`);
}
