import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { replaceFile, statOf } from "../base/files.ts";
import { invalidOption, IpvlanError } from "../base/errors.ts";

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
  const needed = VARIABLES.flatMap((name): [string, string][] =>
    env[name] ? [[name, env[name]]] : []
  );
  for (const [name, value] of needed) assertFolder(name, value);
  return needed;
}

/** The folder of an administrator's units (systemd.unit(5)). */
const FOLDER = "/etc/systemd/system";

/** Units by file name. */
type Units = Readonly<Record<string, string>>;

/** The text of units, with the path of each before it. */
export function unitsText(units: Units): string {
  return Object.entries(units).map(([name, text]) => `# ${FOLDER}/${name}\n${text}`).join("\n\n");
}

/** Writes units, and returns the paths of the files. */
export function writeUnits(units: Units): string[] {
  return Object.entries(units).map(([name, text]) => {
    const path = `${FOLDER}/${name}`;
    try {
      replaceFile(path, `${text}\n`, 0o644);
    } catch (error) {
      throw new IpvlanError("unwritable-file", { path, reason: (error as Error).message }, {
        cause: error,
      });
    }
    return path;
  });
}

type Environment = Readonly<Record<string, string>>;

/** A systemd unit that restores everything at boot. @param program Its path is absolute. */
export function systemdUnit(program: readonly string[], env: Environment): string {
  return serviceUnit(env, [...program, "restore", "--wait", "60"], {
    unit: [
      "Description=ipvlan networks and sandboxes",
      "Wants=network-pre.target",
      "After=network-pre.target systemd-networkd.service NetworkManager.service",
    ],
    service: ["Type=oneshot", "RemainAfterExit=yes"],
    install: BOOT,
  });
}

/** A systemd unit that runs the agent of this host. @param words The options of the agent. */
export function agentUnit(
  program: readonly string[],
  env: Environment,
  words: readonly string[] = [],
): string {
  return serviceUnit(env, [...program, "agent", ...words], {
    unit: [
      "Description=ipvlan's agent: addresses and names that hosts share",
      "Wants=network-online.target",
      "After=network-online.target ipvlan.service",
    ],
    service: RESTART,
    install: BOOT,
  });
}

/**
 * The systemd units of the plugin for Docker, by file name. systemd holds the socket
 * (systemd.socket(5)), so Docker's calls wait while the plugin restarts. The words are the plugin's
 * options.
 */
export function dockerUnits(
  program: readonly string[],
  env: Environment,
  socket: string,
  words: readonly string[] = [],
): Record<string, string> {
  return {
    "ipvlan-docker.service": serviceUnit(env, [...program, "docker", "serve", ...words], {
      unit: [
        "Description=ipvlan networks for Docker",
        "Requires=ipvlan-docker.socket",
        "After=ipvlan-docker.socket network-pre.target ipvlan.service",
        "Before=docker.service",
        // Restart it without a limit: without it, no container on its networks starts.
        "StartLimitIntervalSec=0",
      ],
      service: [...RESTART, ONLY_SERVER],
      install: BOOT,
    }),
    "ipvlan-docker.socket": socketUnit(
      ["Description=The socket of ipvlan networks for Docker", "Before=docker.service"],
      socket,
    ),
  };
}

/** The units of the CNI plugin's server, by file name. systemd starts it with the first call. */
export function cniUnits(
  program: readonly string[],
  env: Environment,
  socket: string,
): Record<string, string> {
  return {
    "ipvlan-cni.service": serviceUnit(env, [...program, "cni", "serve"], {
      unit: [
        "Description=ipvlan networks for CNI",
        "Requires=ipvlan-cni.socket",
        "After=ipvlan-cni.socket",
        "StartLimitIntervalSec=0",
      ],
      service: [ONLY_SERVER],
    }),
    "ipvlan-cni.socket": socketUnit(["Description=The socket of ipvlan networks for CNI"], socket),
  };
}

const BOOT = ["", "[Install]", "WantedBy=multi-user.target"];
const RESTART = ["Restart=on-failure", "RestartSec=1"];

/** Only the server gets the signal: child processes end with the calls that started them. */
const ONLY_SERVER = "KillMode=mixed";

/** A unit that starts a program in the environment that `ipvlan` needs. */
function serviceUnit(
  env: Environment,
  words: readonly string[],
  { unit, service, install = [] }: Record<"unit" | "service", string[]> & { install?: string[] },
): string {
  const variables = neededVariables(env).map((pair) => `Environment=${quoted(pair.join("="))}`);
  // A dollar sign in ExecStart= begins a variable, so it is doubled. Environment= has no variables.
  const start = words.map((word) => quoted(word).replaceAll("$", "$$$$")).join(" ");
  return [
    "[Unit]",
    ...unit,
    "",
    "[Service]",
    ...variables,
    `ExecStart=${start}`,
    ...service,
    ...install,
  ].join("\n");
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

/**
 * Finds the file descriptor of the socket that systemd passed, as sd_listen_fds(3) does.
 *
 * @param pid The id of this process: the variables may be for a parent process.
 */
export function passedSocket(
  { LISTEN_PID, LISTEN_FDS }: Environment,
  pid: number,
): number | undefined {
  // The first one that it passes: SD_LISTEN_FDS_START.
  return LISTEN_PID === String(pid) && Number(LISTEN_FDS) > 0 ? 3 : undefined;
}

function assertFolder(name: string, path: string): void {
  if (/\p{Cc}/u.test(path)) throw invalidOption(name, path, "it has a control character");
  if (!path.startsWith("/")) throw invalidOption(name, path, "give an absolute path");
  const why = Deno.uid() === 0 ? whyUntrusted(path) : undefined;
  if (why !== undefined) {
    throw invalidOption(name, path, `${why}, so root must not run programs from there`);
  }
}

/** The reason why users other than root could change a folder; `undefined` if they cannot. */
function whyUntrusted(path: string): string | undefined {
  // Trust also the owner of this program, as root runs it already.
  const files = thisProgram().filter((word) => word.startsWith("/"));
  const trusted = [0, ...files.map((file) => statOf(file)?.uid)];
  for (const start of statOf(path) ? [path, Deno.realPathSync(path)] : [path]) {
    for (let each = start;; each = dirname(each)) {
      const stat = statOf(each);
      if (!stat) continue;
      if (!trusted.includes(stat.uid!)) return `${each} belongs to user ${stat.uid}`;
      // In a folder with the sticky bit, others cannot replace its content.
      const others = stat.mode! & (each === start ? 0o0002 : 0o1002);
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
