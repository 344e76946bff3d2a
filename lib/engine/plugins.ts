// The plugins that engines start for each call: where they are, and what they pass on to a server.
import type { EngineDriver } from "../driver/mod.ts";

/** The name by which users choose the plugin of an engine: `docker network create -d ipvlan-kit`. */
export const PLUGIN_NAME = "ipvlan-kit";

export interface Plugin {
  /** The command that answers its calls: `ipvlan cni`. */
  command: "cni" | "netavark";
  folder: string;
  socket: string;
  /** The calls to pass on, as a shell's patterns: how many words, the first, and the slashes. */
  passed: string;
  /** A caller's answer without the server's, for printf(3): of a sentence and the version of CNI. */
  failure: string;
  /** What a call wants, and the id of the container that it is about, or an empty text. */
  subjectOf(call: PluginCall): [command: string, container: string];
}

export const CNI: Plugin = {
  command: "cni",
  folder: "/opt/cni/bin",
  socket: "/run/ipvlan/cni.sock",
  passed: '"0  "',
  failure: '{"cniVersion":"%2$s","code":11,"msg":"%1$s"}',
  subjectOf: ({ variables }) => [variables.CNI_COMMAND ?? "", variables.CNI_CONTAINERID ?? ""],
};

/** The plugin for Podman's netavark. Podman looks first in this folder (containers.conf(5)). */
export const NETAVARK: Plugin = {
  command: "netavark",
  folder: "/usr/local/libexec/netavark",
  socket: "/run/ipvlan/netavark.sock",
  passed: '"1 create " | "2 setup /" | "2 teardown /"',
  failure: '{"error":"%s"}',
  // netavark writes the container's id first.
  subjectOf: ({ words: [command = ""], text }) => [
    command,
    /"container_id"\s*:\s*"(\w+)"/.exec(text)?.[1] ?? "",
  ],
};

export type Variables = Readonly<Record<string, string | undefined>>;

/** Splits a text such as `IP=192.168.1.77` at the first equals sign. */
export function splitPair(pair: string): [name: string, value: string] {
  const [name = "", ...value] = pair.split("=");
  return [name, value.join("=")];
}

export interface PluginCall {
  folder: string;
  /** The words behind the plugin's command. */
  words: readonly string[];
  variables: Variables;
  text: string;
}

export interface CallContext {
  withDriver<T>(run: (driver: EngineDriver) => Promise<T>): Promise<T>;
  warn(line: string): void;
  /** Writes what another program has printed to the log. */
  log(printed: Uint8Array): void;
}

/** The answer to a call: the exit status, and the JSON to print on standard output. */
export interface PluginAnswer {
  status: number;
  output?: unknown;
}

/** Answers a call, and never throws. */
export type RunPlugin = (call: PluginCall, context: CallContext) => Promise<PluginAnswer>;

/** The text that a plugin prints for an answer; `undefined` for none. */
export function printedAnswer({ output }: PluginAnswer): string | undefined {
  return output === undefined ? undefined : JSON.stringify(output, null, 4);
}
