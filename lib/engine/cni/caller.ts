/**
 * How a call of the plugin reaches a server that runs already: the program that runtimes start, and
 * what it and the server say to each other.
 *
 * The server begins, with a line that says what it is. The caller sends its call only if it would have
 * done the same itself: the same version, the same state folder, and the same files and network at its
 * paths and names. Else, or if nobody listens, it starts `ipvlan` as if there were no server. Nothing
 * has been sent by then, so no call is done twice. Once the call is sent, the answer can only be the
 * server's: if that is killed, the call has failed, and the runtime goes on with DEL.
 *
 * @module
 */
import { findProgram, statOf } from "../../base/files.ts";
import { STATE_FOLDER } from "../../driver/model/state_folder.ts";
import { MAX_REQUEST } from "../json.ts";
import CALLER from "./caller.pl" with { type: "text" };
import type { Variables } from "./environment.ts";

/** Where runtimes look for plugins. */
export const PLUGIN_FOLDER = "/opt/cni/bin";

/** Where the server listens. */
export const SOCKET = "/run/ipvlan/cni.sock";

/** The longest call in bytes: a configuration, and an environment of 6 MiB at most (execve(2)). */
export const MAX_CALL = 2 ** 23;

/** The files by which two processes know that names and paths mean the same to both. */
const SAME_FILES = ["/proc/self/ns/mnt", "/proc/self/ns/net", "/"];

/** Which program a caller starts without a server. */
export interface ProgramIdentity {
  /** The version of this project. */
  version: string;
  /** The command line that starts `ipvlan`. */
  program: readonly string[];
}

/** The part of the server's first line that is known before it runs. */
export function identityOf({ version, program }: ProgramIdentity): string {
  return ["ipvlan-kit", version, ...program].map((word) => word.replace(/[\t\n]/g, " ")).join("\t");
}

/** The server's first line. @param stateDir Its state folder. */
export function greetingOf(identity: ProgramIdentity, stateDir: string): string {
  const files = SAME_FILES.map((path) => {
    const { dev, ino } = Deno.statSync(path);
    return `${dev}:${ino}`;
  });
  return [identityOf(identity), ...files, stateDir].join("\t");
}

/** A call of the plugin, as another process got it. */
export interface PassedCall {
  /** The folder that it was called in. */
  folder: string;
  /** The environment. */
  variables: Variables;
  /** The configuration, from standard input. */
  text: string;
}

/** Reads a call: folder and variables with a NUL behind each, another NUL, the configuration. */
export function readCall(body: Uint8Array): PassedCall {
  const all = new TextDecoder().decode(body);
  const end = all.indexOf("\0\0");
  const [folder = "", ...lines] = all.slice(0, Math.max(end, 0)).split("\0");
  const variables = Object.fromEntries(
    lines.filter((line) => line.includes("=")).map((line) => {
      const [name = "", ...value] = line.split("=");
      return [name, value.join("=")];
    }),
  );
  return { folder, variables, text: all.slice(end + 2) };
}

/** What a call of the plugin left: its exit status and what it printed. */
export interface CallAnswer {
  /** The exit status. */
  status: number;
  /** What it printed on standard output. */
  out: Uint8Array;
  /** What it printed on standard error. */
  err: Uint8Array;
}

/** Writes an answer: a line with the status and the lengths in bytes, and what was printed. */
export function writeAnswer({ status, out, err }: CallAnswer): Uint8Array {
  const head = new TextEncoder().encode(`${status} ${err.length} ${out.length}\n`);
  return concat([head, err, out]);
}

/** Joins bytes. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** How an executable file asks the server at a socket, in the form of `ServerCaller` of `lib/install`. */
export function callerAt(
  socket: string,
  identity: ProgramIdentity,
): { socket: string; caller: string[]; variables: Record<string, string> } {
  const known = [identityOf(identity), STATE_FOLDER, String(MAX_REQUEST)];
  return {
    socket,
    caller: ["perl", "-e", CALLER, socket, ...known],
    // Perl sets up no locale (perlrun(1)), which saves a fifth of its start. Not passed on.
    variables: { PERL_SKIP_LOCALE_INIT: "1" },
  };
}

/** Which way the calls of the plugin take on this machine, and how they would take the faster one. */
export function wayOfCalls(socket: string = SOCKET): { what: string; fix?: string } {
  if (findProgram("perl") === undefined) {
    const what = 'Each call starts Deno, as there is no program "perl" to ask the server with';
    return { what, fix: "install perl (the package perl or perl-base)" };
  }
  if (statOf(socket)?.isSocket) {
    return { what: `Calls ask the server at ${socket} with perl, and start no Deno` };
  }
  const fix = "systemctl enable --now ipvlan-cni.socket; without systemd, run: ipvlan cni serve";
  return { what: `Each call starts Deno, as no server is seen at ${socket}`, fix };
}
