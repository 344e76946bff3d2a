/**
 * Calls of the CNI plugin, as runtimes make them.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { EngineDriver } from "../../lib/driver/mod.ts";
import { runPlugin } from "../../lib/engine/cni/mod.ts";
import type { Result } from "../../lib/engine/cni/result.ts";
import type { PluginCall } from "../../lib/engine/plugins.ts";
import { runWith } from "./processes.ts";

/** A call of the plugin. */
export interface CniCall {
  /** The command: `ADD`. */
  command: string;
  /** The container's id. */
  id?: string;
  /** The file of its network namespace. */
  netns?: string;
  /** The name of the link. @default {"eth0"} */
  ifname?: string;
  /** `CNI_ARGS`. */
  args?: string;
  /** The folders of plugins. @default {"/opt/cni/bin"} */
  path?: string;
  /** The configuration; a text is given as it is. */
  conf: unknown;
}

/** The answer of the plugin, with its JSON parsed. */
export interface CniAnswer {
  /** The exit status. */
  status: number;
  /** The result of ADD, or an error; `undefined` if nothing was printed. */
  // deno-lint-ignore no-explicit-any
  output: any;
}

/** The environment of a call. */
export function variablesOf(
  { command, id, netns, ifname = "eth0", args, path }: CniCall,
): Record<string, string> {
  const variables: Record<string, string> = {
    CNI_COMMAND: command,
    CNI_IFNAME: ifname,
    CNI_PATH: path ?? "/opt/cni/bin",
  };
  if (id !== undefined) variables.CNI_CONTAINERID = id;
  if (netns !== undefined) variables.CNI_NETNS = netns;
  if (args !== undefined) variables.CNI_ARGS = args;
  return variables;
}

/** The standard input of a call. */
export function inputOf({ conf }: CniCall): string {
  return typeof conf === "string" ? conf : JSON.stringify(conf);
}

/** The call as the plugin gets it. */
export function passedOf(call: CniCall): PluginCall {
  return { folder: Deno.cwd(), words: [], variables: variablesOf(call), text: inputOf(call) };
}

/** The replacement of {@linkcode callPlugin}. */
let through: ((call: CniCall) => Promise<CniAnswer>) | undefined;

/** Replaces {@linkcode callPlugin} by another function. */
export function callThrough(other: (call: CniCall) => Promise<CniAnswer>): void {
  through = other;
}

/** Calls the plugin in this process, as a process of its own starts slowly in the lab. */
export async function callPlugin(call: CniCall): Promise<CniAnswer> {
  if (through) return await through(call);
  const { status, output } = await runPlugin(passedOf(call), {
    withDriver: async (run) => {
      await using driver = await EngineDriver.open();
      return await run(driver);
    },
    warn: () => {},
    log: () => {},
  });
  return { status, output: output === undefined ? undefined : JSON.parse(JSON.stringify(output)) };
}

/** Calls the plugin in this process, and asserts that it succeeds. Returns its result. */
export async function pluginSucceeds(call: CniCall): Promise<Result> {
  const { status, output } = await callPlugin(call);
  assertEquals([status, status === 0 ? undefined : output], [0, undefined]);
  return output;
}

/** Calls the plugin in this process, and asserts that it fails. Returns the code and the message. */
export async function pluginFails(call: CniCall): Promise<string> {
  const { status, output } = await callPlugin(call);
  assertEquals(status, 1, JSON.stringify(output));
  return [`${output.code} ${output.msg}`, output.details ?? ""].join("\n").trim();
}

/** The command that starts the plugin as a process of its own. */
export const PLUGIN = [
  ...[Deno.execPath(), "run", "-A", "--no-check", "--cached-only"],
  ...[fileURLToPath(new URL("../../cli.ts", import.meta.url)), "cni"],
];

/** The options of {@linkcode runProgram}. */
export interface ProgramOptions {
  /** The words of the program. @default {PLUGIN} */
  program?: readonly string[];
  /** More variables of the environment. */
  env?: Record<string, string>;
  /** The user to run it as. @default {undefined} This process's. */
  uid?: number;
}

/** Calls a plugin as a process of its own, with only the variables of the call in its environment. */
export async function runProgram(
  call: CniCall,
  { program = PLUGIN, env = {}, uid }: ProgramOptions = {},
): Promise<CniAnswer & { stderr: string }> {
  const [file = "", ...args] = program;
  const inherited = ["PATH", "HOME", "DENO_DIR", "IPVLAN_STATE_DIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  const { code, stdout, stderr } = await runWith(inputOf(call), file, {
    args,
    clearEnv: true,
    env: { ...Object.fromEntries(inherited), ...variablesOf(call), ...env },
    uid,
  });
  return { status: code, output: stdout.trim() === "" ? undefined : JSON.parse(stdout), stderr };
}

/**
 * An `ip` that kills the plugin at its n-th run, after the lines, or before them if its folder has a
 * file `before`. There, `left` has the number of runs left, and `pid` the process to kill.
 */
export const KILLING_IP = `#!/bin/sh
here=\${0%/*}
PATH=\${PATH#*:}
case "$*" in *-batch*) ;; *) exec ip "$@" ;; esac
read -r left < "$here/left"
echo $((left - 1)) > "$here/left"
[ "$left" = 1 ] || exec ip "$@"
read -r pid < "$here/pid"
[ ! -e "$here/before" ] || kill -KILL "$pid"
ip "$@"
status=$?
kill -KILL "$pid"
exit $status
`;
