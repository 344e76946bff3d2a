/**
 * What is decided before a command runs in a Vagrant machine: pure functions on values.
 *
 * @module
 */
import { stripVTControlCharacters } from "node:util";
import type { Job } from "./engine.ts";
import { LabError } from "./errors.ts";
import { jobScript } from "./job.ts";
import { quoteAll } from "./shell.ts";

/** Where the project is in the machine. */
export const PROJECT = "/vagrant";
/** Deno's cache in the machine, as `provision.sh` fills it. */
const DENO_DIR = "/var/cache/deno";
/** Variables that are passed on; what names a file or a user of this machine is not. */
// deno-fmt-ignore
const PASSED = ["TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CI", "GITHUB_ACTIONS", "TZ"];

/**
 * The path in the machine of what has a path here: what is in the project is in the machine's
 * copy of it, and anything else has the same path, without the drive of Windows.
 *
 * @param project The folder of the project here.
 */
export function guestPath(path: string, project: string): string {
  const [inner, root] = [path, project].map((each) => asPosix(each).replace(/\/+$/, ""));
  if (inner === root) return PROJECT;
  return inner!.startsWith(`${root}/`) ? PROJECT + inner!.slice(root!.length) : inner!;
}

function asPosix(path: string): string {
  return /^[A-Za-z]:[\\/]/.test(path) ? path.slice(2).replaceAll("\\", "/") : path;
}

/** The environment of a command in the machine, given that of the lab. */
export function guestEnvironment(outer: Record<string, string>): Record<string, string> {
  return {
    HOME: "/root",
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    DENO_DIR,
    ...Object.fromEntries(PASSED.flatMap((name) => {
      const value = outer[name];
      return value === undefined ? [] : [[name, value]];
    })),
    IPVLAN_LAB: "vagrant",
  };
}

/**
 * The words, for a shell in the machine, that run a job there with `guest.sh`.
 *
 * @param id The run's own.
 * @throws {LabError} if the job is to run in a folder that the machine does not have.
 */
export function guestCommand(
  job: Job,
  { project, id, env }: { project: string; id: string; env: Record<string, string> },
): string {
  const cwd = guestPath(job.cwd, project);
  if (cwd !== PROJECT && !cwd.startsWith(`${PROJECT}/`)) {
    throw new LabError(
      `The virtual machine has no folder "${job.cwd}": run the lab in the project, ${project}`,
    );
  }
  const script = jobScript({ ...job, cwd }, guestEnvironment(env), "bash");
  const kind = job.command.length > 0 ? "command" : "shell";
  const share = job.share === undefined ? [] : [guestPath(job.share, project)];
  return quoteAll(["sudo", "-n", "sh", `${PROJECT}/lab/guest.sh`, kind, id, script, ...share]);
}

/**
 * The arguments of ssh(1).
 *
 * @param config The file with what `vagrant ssh-config` says.
 */
export function sshArguments(
  { config, machine, terminal = false }: { config: string; machine: string; terminal?: boolean },
  command: string,
): string[] {
  return [
    ...["-F", config, "-o", "LogLevel=ERROR"],
    // A machine that died says so after a minute.
    ...["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"],
    terminal ? "-tt" : "-T",
    machine,
    command,
  ];
}

/** The state in what `vagrant status --machine-readable` prints: `running`, `not_created`, … */
export function machineState(status: string): string | undefined {
  return status.split("\n").map((line) => line.split(","))
    .find(([, , kind]) => kind === "state")?.[3]?.trim();
}

/** What tells of a provider: a program, or a variable that its installer sets. */
const PROVIDERS = [
  { name: "VirtualBox", program: "VBoxManage", variable: "VBOX_MSI_INSTALL_PATH" },
  { name: "libvirt", program: "virsh" },
  { name: "Parallels", program: "prlctl" },
  { name: "VMware", program: "vmrun" },
];

/** The provider that Vagrant would take here, as far as can be told; `undefined` for none. */
export async function findProvider(
  env: Record<string, string>,
  runs: (program: string) => Promise<boolean>,
): Promise<string | undefined> {
  if (env.VAGRANT_DEFAULT_PROVIDER) return env.VAGRANT_DEFAULT_PROVIDER;
  for (const { name, program, variable } of PROVIDERS) {
    if (variable !== undefined && env[variable]) return name;
    if (await runs(program)) return name;
  }
}

/** A line of Vagrant's output without what it draws to count up; `undefined` where it is no more. */
export function withoutProgress(line: string): string | undefined {
  const said = stripVTControlCharacters(line).split("\r")
    .filter((part) => !/\bProgress: \d+%/.test(part)).join("");
  return said.trim() === "" ? undefined : said;
}
