/**
 * Decisions before a command runs in a Vagrant machine: pure functions on values.
 *
 * @module
 */
import { stripVTControlCharacters } from "node:util";
import type { Job } from "../engine.ts";
import { LabError } from "../errors.ts";
import { jobScript } from "../job.ts";
import { quoteAll } from "../shell.ts";

/** The folder of the project in the machine. */
export const PROJECT = "/vagrant";
/** Deno's cache in the machine, as `provision.sh` fills it. */
const DENO_DIR = "/var/cache/deno";
/** The variables that the lab passes on. Variables with paths or users of this machine are not. */
// deno-fmt-ignore
const PASSED = ["TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CI", "GITHUB_ACTIONS", "TZ"];

/**
 * Translates a path on this machine to the path in the virtual machine. A path in the project leads
 * to the machine's copy of the project. Any other path stays, without the drive letter of Windows.
 *
 * @param project The folder of the project on this machine.
 */
export function guestPath(path: string, project: string): string {
  const [inner, root] = [path, project].map((each) => asPosix(each).replace(/\/+$/, ""));
  if (inner === root) return PROJECT;
  return inner!.startsWith(`${root}/`) ? PROJECT + inner!.slice(root!.length) : inner!;
}

function asPosix(path: string): string {
  return /^[A-Za-z]:[\\/]/.test(path) ? path.slice(2).replaceAll("\\", "/") : path;
}

/** The environment of a command in the machine. @param outer The environment of the lab. */
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
 * The command line, for a shell in the machine, that runs a job with `guest.sh`.
 *
 * @param options.id The id of the run.
 * @throws {LabError} if the machine does not have the job's working folder.
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
  const kind = job.interactive ? "shell" : "command";
  const share = job.share === undefined ? [] : [guestPath(job.share, project)];
  return quoteAll(["sudo", "-n", "sh", `${PROJECT}/lab/guest.sh`, kind, id, script, ...share]);
}

/**
 * The arguments of ssh(1).
 *
 * @param config A file with the output of `vagrant ssh-config`.
 */
export function sshArguments(
  { config, machine, terminal = false }: { config: string; machine: string; terminal?: boolean },
  command: string,
): string[] {
  return [
    ...["-F", config, "-o", "LogLevel=ERROR"],
    // With these options, ssh notices within a minute that the machine died.
    ...["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"],
    terminal ? "-tt" : "-T",
    machine,
    command,
  ];
}

/** Reads the state from `vagrant status --machine-readable`: `running`, `not_created`, … */
export function machineState(status: string): string | undefined {
  return status.split("\n").map((line) => line.split(","))
    .find(([, , kind]) => kind === "state")?.[3]?.trim();
}

/** The providers, and how to recognize each: by a program, or by a variable that its installer sets. */
const PROVIDERS = [
  { name: "VirtualBox", program: "VBoxManage", variable: "VBOX_MSI_INSTALL_PATH" },
  { name: "libvirt", program: "virsh" },
  { name: "Parallels", program: "prlctl" },
  { name: "VMware", program: "vmrun" },
];

/**
 * Guesses the provider that Vagrant will use here; `undefined` if there is none.
 *
 * @param runs Tells whether a program can be run.
 */
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

/** Removes progress bars from a line of Vagrant's output; `undefined` if nothing else is left. */
export function removeProgress(line: string): string | undefined {
  const text = stripVTControlCharacters(line).split("\r")
    .filter((part) => !/\bProgress: \d+%/.test(part)).join("");
  return text.trim() === "" ? undefined : text;
}
