// Passes a call of a plugin to a running server: the program that engines start, and its protocol with
// the server.
//
// The server first sends a line with its identity. The caller sends its call only if it would do the
// same itself: with the same version, state folder, mount and network namespace, and root folder.
// Otherwise, or without a server, it starts `ipvlan`. It has sent nothing by then, so no call is done
// twice. After the call is sent, only the server can answer: if that is killed, the call has failed,
// and the engine goes on with the call that removes.
import { Buffer } from "node:buffer";
import { findProgram, statOf } from "../base/files.ts";
import { shellWord } from "../base/printable.ts";
import { STATE_FOLDER } from "../driver/model/state_folder.ts";
import CALLER from "./caller.pl" with { type: "text" };
import { MAX_REQUEST } from "./json.ts";
import { type Plugin, type PluginCall, splitPair } from "./plugins.ts";

/** The longest call in bytes: a request, and an environment of 6 MiB at most (execve(2)). */
export const MAX_CALL = 2 ** 23;

/** The files that must be the same for both, so that names and paths mean the same to both. */
const SAME_FILES = ["/proc/self/ns/mnt", "/proc/self/ns/net", "/"];

/** The program that a caller starts without a server. */
export interface ProgramIdentity {
  version: string;
  /** The command line that starts it: `ipvlan cni`. */
  program: readonly string[];
}

/** The part of the server's first line that is known before the server runs. */
function identityOf({ version, program }: ProgramIdentity): string {
  return ["ipvlan-kit", version, ...program].map((word) => word.replace(/[\t\n]/g, " ")).join("\t");
}

/** Writes the server's first line. @param stateDir Its state folder. */
export function greetingOf(identity: ProgramIdentity, stateDir: string): string {
  const files = SAME_FILES.map((path) => {
    const { dev, ino } = Deno.statSync(path);
    return `${dev}:${ino}`;
  });
  return [identityOf(identity), ...files, stateDir].join("\t");
}

/** Reads a call: the folder, `=` with each word, the variables, each with a NUL; a NUL; the text. */
export function readCall(body: Uint8Array): PluginCall {
  const all = new TextDecoder().decode(body);
  const end = all.indexOf("\0\0");
  const [folder = "", ...lines] = all.slice(0, Math.max(end, 0)).split("\0");
  const pairs = lines.filter((line) => line.includes("=")).map(splitPair);
  return {
    folder,
    words: pairs.filter(([name]) => name === "").map(([, word]) => word),
    variables: Object.fromEntries(pairs.filter(([name]) => name !== "")),
    text: all.slice(end + 2),
  };
}

/** The exit status of a call, its standard output and its standard error. */
export interface CallAnswer {
  status: number;
  out: Uint8Array;
  err: Uint8Array;
}

/** Writes an answer: a line with the status and the lengths in bytes, and the output. */
export function writeAnswer({ status, out, err }: CallAnswer): Uint8Array {
  const head = new TextEncoder().encode(`${status} ${err.length} ${out.length}\n`);
  return Buffer.concat([head, err, out]);
}

/** The lines of an executable file that pass on a call, if a server is seen. */
export function callerLines(
  { socket, passed, failure }: Plugin,
  identity: ProgramIdentity,
): string[] {
  const quoted = (words: readonly string[]) => words.map(shellWord).join(" ");
  const known = [socket, identityOf(identity), STATE_FOLDER, String(MAX_REQUEST), failure];
  return [
    `case "$# $1 \${2%%[!/]*}" in ${passed})`,
    `  if [ -S ${shellWord(socket)} ] && command -v perl > /dev/null`,
    "  then",
    // Without a locale (perlrun(1)), Perl starts a fifth faster. It does not pass this on.
    "    export PERL_SKIP_LOCALE_INIT=1",
    `    exec perl -e ${quoted([CALLER, ...known])} $# ${quoted(identity.program)} "$@"`,
    "  fi",
    "esac",
  ];
}

/** Says whether calls of a plugin ask the server on this machine, and how to make them do so. */
export function howCallsReach({ command, socket }: Plugin): { what: string; fix?: string } {
  if (findProgram("perl") === undefined) {
    const what = 'Each call starts Deno, as there is no program "perl" to ask the server with';
    return { what, fix: "install perl (the package perl or perl-base)" };
  }
  if (statOf(socket)?.isSocket) {
    return { what: `Calls ask the server at ${socket} with perl, and start no Deno` };
  }
  const fix = `systemctl enable --now ipvlan-${command}.socket; without systemd, run: ` +
    `ipvlan ${command} serve`;
  return { what: `Each call starts Deno, as no server is seen at ${socket}`, fix };
}
