import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { statOf } from "../base/files.ts";
import { invalidOption } from "../base/errors.ts";

/** The command line that starts this program again: compiled, from a file or from a URL. */
export function thisProgram(): string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  const { protocol } = new URL(Deno.mainModule);
  const module = protocol === "file:" ? fileURLToPath(Deno.mainModule) : Deno.mainModule;
  return [Deno.execPath(), "run", "-A", module];
}

/** The same, for files that outlive this process. @throws {"invalid-option"} It is temporary. */
export function lastingProgram(): string[] {
  const program = thisProgram();
  const gone = program.find((word) => word.includes("/_npx/"));
  if (gone === undefined) return program;
  const rule = "npx may empty its cache, so install Deno (https://docs.deno.com), and then " +
    '"deno install -g -A -n ipvlan jsr:@ipvlan/kit/cli"';
  throw invalidOption("program", gone, rule);
}

/** The variables for the state folder and Deno's cache. */
const VARIABLES = ["HOME", "XDG_CACHE_HOME", "DENO_DIR", "IPVLAN_STATE_DIR"];

/**
 * Picks the environment variables that `ipvlan` needs wherever it is started.
 *
 * @throws {"invalid-option"} A value has several lines or is a relative path, which would mean
 * another folder there. Or this user is root, and another user can write to the folder.
 */
export function neededVariables(env: Readonly<Record<string, string>>): [string, string][] {
  const needed = VARIABLES.filter((name) => env[name]).map((name): [string, string] => [
    name,
    env[name]!,
  ]);
  for (const [name, value] of needed) assertFolder(name, value);
  return needed;
}

/** A systemd unit that restores everything at boot. @param program Its path is absolute. */
export function systemdUnit(
  program: readonly string[],
  env: Readonly<Record<string, string>>,
): string {
  return [
    "[Unit]",
    "Description=ipvlan networks and sandboxes",
    "Wants=network-pre.target",
    "After=network-pre.target systemd-networkd.service NetworkManager.service",
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    ...environmentLines(env),
    execStart([...program, "restore", "--wait", "60"]),
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ].join("\n");
}

/** A systemd unit that runs the agent of this host. @param words The options of the agent. */
export function agentUnit(
  program: readonly string[],
  env: Readonly<Record<string, string>>,
  words: readonly string[] = [],
): string {
  return [
    "[Unit]",
    "Description=ipvlan's agent: addresses and names that hosts share",
    "Wants=network-online.target",
    "After=network-online.target ipvlan.service",
    "",
    "[Service]",
    ...environmentLines(env),
    execStart([...program, "agent", ...words]),
    "Restart=on-failure",
    "RestartSec=1",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ].join("\n");
}

/**
 * The systemd units of the plugin for Docker, by file name. systemd holds the socket
 * (systemd.socket(5)), so Docker's calls wait while the plugin restarts. The words are the plugin's
 * options.
 */
export function dockerUnits(
  program: readonly string[],
  env: Readonly<Record<string, string>>,
  socket: string,
  words: readonly string[] = [],
): Record<string, string> {
  const service = [
    "[Unit]",
    "Description=ipvlan networks for Docker",
    "Requires=ipvlan-docker.socket",
    "After=ipvlan-docker.socket network-pre.target ipvlan.service",
    "Before=docker.service",
    // Restart it without a limit: without it, no container on its networks starts.
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    ...environmentLines(env),
    execStart([...program, "docker", "serve", ...words]),
    "Restart=on-failure",
    "RestartSec=1",
    // Only the server gets the signal: child processes end with the calls that started them.
    "KillMode=mixed",
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ];
  return {
    "ipvlan-docker.service": service.join("\n"),
    "ipvlan-docker.socket": socketUnit(
      ["Description=The socket of ipvlan networks for Docker", "Before=docker.service"],
      socket,
    ),
  };
}

/** The units of the CNI plugin's server, by file name. systemd starts it with the first call. */
export function cniUnits(
  program: readonly string[],
  env: Readonly<Record<string, string>>,
  socket: string,
): Record<string, string> {
  const service = [
    "[Unit]",
    "Description=ipvlan networks for CNI",
    "Requires=ipvlan-cni.socket",
    "After=ipvlan-cni.socket",
    "StartLimitIntervalSec=0",
    "",
    "[Service]",
    ...environmentLines(env),
    execStart([...program, "cni", "serve"]),
    // Only the server gets the signal: child processes end with the calls that started them.
    "KillMode=mixed",
  ];
  return {
    "ipvlan-cni.service": service.join("\n"),
    "ipvlan-cni.socket": socketUnit(["Description=The socket of ipvlan networks for CNI"], socket),
  };
}

/** A unit of a socket that only root may use. @param about The lines of its first section. */
function socketUnit(about: readonly string[], socket: string): string {
  return [
    "[Unit]",
    ...about,
    "",
    "[Socket]",
    `ListenStream=${socket}`,
    "SocketMode=0600",
    "DirectoryMode=0700",
    "RemoveOnStop=yes",
    "",
    "[Install]",
    "WantedBy=sockets.target",
  ].join("\n");
}

/** The lines that set the variables that `ipvlan` needs. */
function environmentLines(env: Readonly<Record<string, string>>): string[] {
  return neededVariables(env)
    .map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`);
}

/** The line that starts a program. */
function execStart(words: readonly string[]): string {
  // A dollar sign in ExecStart= begins a variable, so it is doubled. Environment= has no variables.
  return `ExecStart=${words.map((word) => quoted(word).replaceAll("$", "$$$$")).join(" ")}`;
}

function assertFolder(name: string, path: string): void {
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(path)) {
    throw invalidOption(name, path, "it has a control character");
  }
  if (!path.startsWith("/")) throw invalidOption(name, path, "give an absolute path");
  const why = Deno.uid() === 0 ? whyUntrusted(path) : undefined;
  if (why === undefined) return;
  throw invalidOption(name, path, `${why}, so root must not run programs from there`);
}

/** The reason why users other than root could change a folder; `undefined` if they cannot. */
function whyUntrusted(path: string): string | undefined {
  // Trust also the owner of this program, as root runs it already.
  const files = thisProgram().filter((word) => word.startsWith("/"));
  const trusted = [0, ...files.map((file) => statOf(file)?.uid)];
  for (const start of statOf(path) ? [path, Deno.realPathSync(path)] : [path]) {
    for (let each = start;; each = dirname(each)) {
      const { uid = 0, mode = 0 } = statOf(each) ?? {};
      if (!trusted.includes(uid!)) return `${each} belongs to user ${uid}`;
      // In a folder with the sticky bit, others cannot replace its content.
      const others = mode! & (each === start ? 0o0002 : 0o1002);
      if (others === 0o0002) return `every user may write to ${each}`;
      if (each === "/") break;
    }
  }
}

/** Quotes a word for a line of a unit (systemd.syntax(7), systemd.unit(5)). */
function quoted(word: string): string {
  const text = word.replaceAll("%", "%%");
  if (/^[^\s"'\\\p{Cc}]+$/u.test(text)) return text;
  const code = (control: string) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return `"${text.replace(/["\\]/g, "\\$&").replace(/\p{Cc}/gu, code)}"`;
}
