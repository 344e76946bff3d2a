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
import { STATE_FOLDER } from "../../driver/model/state_folder.ts";
import { MAX_REQUEST } from "../json.ts";
import type { Variables } from "./environment.ts";

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

/** Tells Perl to set up no locale (perlrun(1)), which saves a fifth of its start. Not passed on. */
const WITHOUT_LOCALE = "PERL_SKIP_LOCALE_INIT";

/** How an executable file asks the server at a socket, in the form of `ServerCaller` of `lib/cli`. */
export function callerAt(
  socket: string,
  identity: ProgramIdentity,
): { socket: string; caller: string[]; variables: Record<string, string> } {
  return {
    socket,
    caller: ["perl", "-e", CALLER, socket, identityOf(identity)],
    variables: { [WITHOUT_LOCALE]: "1" },
  };
}

/** How long a caller waits for the server's first line, in seconds. A server may have to start first. */
const PATIENCE = 30;

/**
 * The caller, in Perl: of the programs that can use a Unix socket and that most systems have, Perl
 * without modules starts in a quarter of the time of curl. Its arguments are the socket, the identity,
 * and the command line to start without a server. No single quote is in it, so it is one word of sh(1).
 *
 * The numbers are those of Linux: AF_UNIX and SOCK_STREAM are 1 (socket(2)).
 */
const CALLER = `
delete $ENV{${WITHOUT_LOCALE}};
my ($path, $identity) = splice @ARGV, 0, 2;
sub without_server { exec { $ARGV[0] } @ARGV; exit 127 }
sub same { join ":", (stat $_[0])[0, 1] }
my $state = $ENV{IPVLAN_STATE_DIR};
$state = "${STATE_FOLDER}" if !defined $state || $state eq "";
my $folder = readlink "/proc/self/cwd";
my $expected = join "\\t", $identity, ${
  SAME_FILES.map((path) => `same("${path}")`).join(", ")
}, $state;

my $server;
-d $folder && socket($server, 1, 1, 0) && connect($server, pack("Sa*", 1, "$path\\0"))
  or without_server;
my $greeting = "";
until ($greeting =~ /\\n/) {
  my $ready = "";
  vec($ready, fileno $server, 1) = 1;
  select($ready, undef, undef, ${PATIENCE}) > 0 && sysread($server, $greeting, 65536, length $greeting)
    or without_server;
}
$greeting eq "$expected\\n" or without_server;

my $version = "1.1.0";
sub failed {
  print qq({"cniVersion":"$version","code":11,"msg":"$_[0]"}\\n);
  exit 1;
}
$SIG{PIPE} = "IGNORE";
$SIG{$_} = sub { failed("It was interrupted") } for "TERM", "INT", "HUP";
my $text = "";
-t STDIN or read STDIN, $text, ${MAX_REQUEST + 1};
$version = $1 if $text =~ /"cniVersion"\\s*:\\s*"([0-9.]+)"/;
my $call = join("", map { "$_\\0" } $folder, map { "$_=$ENV{$_}" } keys %ENV) . "\\0$text";
$call = length($call) . "\\n$call";
for (my $sent = 0; $sent < length $call;) {
  my $wrote = syswrite $server, $call, length($call) - $sent, $sent;
  $sent += $wrote || failed("The server of ipvlan has ended before the call");
}
my $answer = "";
1 while sysread $server, $answer, 65536, length $answer;
my ($status, $err, $out) = $answer =~ /^([0-9]+) ([0-9]+) ([0-9]+)\\n/;
my $start = index($answer, "\\n") + 1;
defined $status && length $answer == $start + $err + $out
  or failed("The server of ipvlan has ended during the call");
print STDERR substr $answer, $start, $err;
print substr $answer, $start + $err;
exit $status;
`;
