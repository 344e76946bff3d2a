import { dirname } from "node:path";
import { statOf } from "../base/files.ts";
import { invalidOption } from "../base/errors.ts";
import { packageLauncher, SYSTEM_LAUNCHER, thisProgram } from "./program.ts";

/** The variables for Deno's cache; a package has a cache of its own. */
const CACHE_VARIABLES = ["HOME", "XDG_CACHE_HOME", "DENO_DIR"];

/**
 * Picks the environment variables that `ipvlan` needs wherever it is started.
 *
 * @throws {"invalid-option"} A value has several lines or is a relative path, which would mean
 * another folder there. Or this user is root, and another user can write to the folder.
 */
export function neededVariables(env: Readonly<Record<string, string>>): [string, string][] {
  const names = [...packageLauncher() === undefined ? CACHE_VARIABLES : [], "IPVLAN_STATE_DIR"];
  const needed = names.flatMap((name): [string, string][] => env[name] ? [[name, env[name]]] : []);
  for (const [name, value] of needed) assertFolder(name, value);
  return needed;
}

/** The folder of an administrator's units (systemd.unit(5)). */
export const UNIT_FOLDER = "/etc/systemd/system";

/** The texts of units by file name. */
export type Units = Readonly<Record<string, string>>;

/** The text of units, with the path of each before it. */
export function unitsText(units: Units): string {
  return Object.entries(units).map(([name, text]) => `# ${UNIT_FOLDER}/${name}\n${text}`)
    .join("\n\n");
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
    ...RESTORES,
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
      "Description=ipvlan's agent: parents that come back, addresses and names that hosts share",
      "Wants=network-online.target",
      "After=network-online.target ipvlan.service",
    ],
    service: RESTART,
    ...RESTORES,
  });
}

/**
 * The systemd units of a server for an engine, by file name. systemd holds the socket
 * (systemd.socket(5)), so the engine's calls wait while the server starts, which the first call causes.
 *
 * @param engine Its command, and its name for users.
 * @param words The server's options.
 * @param before The engine's unit: then the server starts at boot, and again when it has failed.
 */
export function serverUnits(
  program: readonly string[],
  env: Environment,
  engine: [command: string, title: string],
  socket: string,
  words: readonly string[] = [],
  before?: string,
): Record<string, string> {
  const [command, title] = engine;
  const name = `ipvlan-${command}`;
  const order = before === undefined ? [] : [`Before=${before}`];
  return {
    [`${name}.service`]: serviceUnit(env, [...program, command, "serve", ...words], {
      unit: [
        `Description=ipvlan networks for ${title}`,
        `Requires=${name}.socket`,
        `After=${name}.socket${before === undefined ? "" : " network-pre.target ipvlan.service"}`,
        ...order,
        // Restart it without a limit: without it, no container on its networks starts.
        "StartLimitIntervalSec=0",
      ],
      // Only the server gets the signal: child processes end with the calls that started them.
      service: [...before === undefined ? [] : RESTART, "KillMode=mixed"],
      needs: ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE"],
      // It removes the names that a killed command has left.
      calls: "umount2",
      install: before === undefined ? [] : undefined,
    }),
    // Only root may use it.
    [`${name}.socket`]: [
      "[Unit]",
      `Description=The socket of ipvlan networks for ${title}`,
      ...order,
      "",
      "[Socket]",
      `ListenStream=${socket}`,
      "SocketMode=0600",
      "DirectoryMode=0700",
      "RemoveOnStop=yes",
      "",
      "[Install]",
      "WantedBy=sockets.target",
    ].join("\n"),
  };
}

const BOOT = ["", "[Install]", "WantedBy=multi-user.target"];
const RESTART = ["Restart=on-failure", "RestartSec=1"];

/** What units need capabilities for (capabilities(7)). */
const CAPABILITIES = {
  CAP_SYS_ADMIN: "Enters the network namespaces of sandboxes and containers",
  CAP_NET_ADMIN: "Makes and removes links, addresses and routes",
  CAP_SYS_PTRACE: "Finds namespaces by the processes of all users, in /proc",
  CAP_DAC_OVERRIDE: "Writes hosts files that root in a sandbox has given to another user",
  CAP_FOWNER: "Sets the modes of such files",
};

type Capability = keyof typeof CAPABILITIES;

const HOSTS_FILES: Capability[] = ["CAP_DAC_OVERRIDE", "CAP_FOWNER"];

const RESTORES: Pick<ServiceUnit, "needs" | "namespaces" | "calls"> = {
  needs: ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", ...HOSTS_FILES],
  // `ip netns exec` has mounts of its own.
  namespaces: "net mnt",
  calls: "@mount",
};

/**
 * The other limits of all units (systemd.exec(5)). None gives a unit a mount namespace of its own, as
 * `ProtectSystem=` and `PrivateTmp=` do: the names of network namespaces are mounts, and the machine
 * would not see which of them come and go. Also, no caller of CNI's asks a server that has other
 * mounts. V8 needs pages that are writable and executable.
 */
const LIMITS = [
  "NoNewPrivileges=yes",
  "DevicePolicy=closed",
  "LockPersonality=yes",
  "ProtectClock=yes",
  "RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6",
  "RestrictRealtime=yes",
  "RestrictSUIDSGID=yes",
  "SystemCallArchitectures=native",
  "SystemCallErrorNumber=EPERM",
  "SystemCallFilter=@system-service",
  "SystemCallFilter=~@keyring @privileged @resources",
];

interface ServiceUnit {
  unit: string[];
  service: string[];
  install?: string[];
  needs: Capability[];
  /** The kinds of namespaces to enter and to make. */
  namespaces?: string;
  /** More system calls. */
  calls?: string;
}

/** A unit that starts a program in the environment that `ipvlan` needs, with the rights it needs. */
function serviceUnit(
  env: Environment,
  words: readonly string[],
  { unit, service, install = BOOT, needs, namespaces = "net", calls }: ServiceUnit,
): string {
  const variables = neededVariables(env);
  const files = [...words, ...variables.map((pair) => pair.join("="))];
  // A dollar sign in ExecStart= begins a variable, so it is doubled. Environment= has no variables.
  const start = words.map((word) => quoted(word).replaceAll("$", "$$$$")).join(" ");
  return [
    "[Unit]",
    ...unit,
    "",
    "[Service]",
    ...variables.map((pair) => `Environment=${quoted(pair.join("="))}`),
    `ExecStart=${start}`,
    ...service,
    ...needs.flatMap((name) => capability(name, CAPABILITIES[name])),
    ...foreignFiles(files).flatMap((path) =>
      capability("CAP_DAC_OVERRIDE", `Uses ${path}, which is not root's`)
    ),
    `RestrictNamespaces=${namespaces}`,
    ...LIMITS,
    ...calls === undefined ? [] : [`SystemCallFilter=${calls}`],
    ...install,
  ].join("\n");
}

function capability(name: Capability, why: string): string[] {
  return [`# ${why}.`, `CapabilityBoundingSet=${name}`];
}

/** The files and folders of another user than root that lead to the files which words name. */
function foreignFiles(words: readonly string[]): string[] {
  const found = words.flatMap((word) => {
    // It is root's, also where the machine that makes a package maps its owner to another user.
    if (word === SYSTEM_LAUNCHER) return [];
    for (let path = /(?:^|=)(\/.*)$/s.exec(word)?.[1] ?? "/"; path !== "/"; path = dirname(path)) {
      if ((statOf(path)?.uid ?? 0) !== 0 && !/\p{Cc}/u.test(path)) return [path];
    }
    return [];
  });
  return [...new Set(found)];
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
