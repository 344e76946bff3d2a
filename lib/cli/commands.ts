import type { Command } from "./command.ts";

/** A command in the list of all of them. Its module is loaded only when it is needed. */
export interface Entry {
  /** What it does, in half a line. */
  summary: string;
  /** Loads its module. */
  load(): Promise<{ default: Command }>;
}

/** All commands, by their names as typed. */
export const COMMANDS: Record<string, Entry> = {
  "network create": {
    summary: "Create a network",
    load: () => import("./commands/network_create.ts"),
  },
  "network ls": {
    summary: "List networks",
    load: () => import("./commands/network_ls.ts"),
  },
  "network inspect": {
    summary: "Show networks in full",
    load: () => import("./commands/network_inspect.ts"),
  },
  "network rm": {
    summary: "Remove networks",
    load: () => import("./commands/network_rm.ts"),
  },
  "network prune": {
    summary: "Remove all networks that no sandbox is connected to",
    load: () => import("./commands/network_prune.ts"),
  },
  "network connect": {
    summary: "Connect a sandbox to a network",
    load: () => import("./commands/network_connect.ts"),
  },
  "network disconnect": {
    summary: "Disconnect a sandbox from a network",
    load: () => import("./commands/network_disconnect.ts"),
  },
  "run": {
    summary: "Run a command in a new sandbox",
    load: () => import("./commands/run.ts"),
  },
  "exec": {
    summary: "Run a command in a sandbox",
    load: () => import("./commands/exec.ts"),
  },
  "ps": {
    summary: "List sandboxes with their networks and addresses",
    load: () => import("./commands/ps.ts"),
  },
  "rm": {
    summary: "Remove sandboxes",
    load: () => import("./commands/rm.ts"),
  },
  "inspect": {
    summary: "Show sandboxes and networks in full",
    load: () => import("./commands/inspect.ts"),
  },
  "stop": {
    summary: "End the processes in sandboxes",
    load: () => import("./commands/stop.ts"),
  },
  "kill": {
    summary: "Send a signal to the processes in sandboxes",
    load: () => import("./commands/kill.ts"),
  },
  "wait": {
    summary: "Wait until no process is in sandboxes, and print exit statuses",
    load: () => import("./commands/wait.ts"),
  },
  "logs": {
    summary: "Print what the command of a sandbox has printed",
    load: () => import("./commands/logs.ts"),
  },
  "attach": {
    summary: "Connect a network namespace that exists already to a network",
    load: () => import("./commands/attach.ts"),
  },
  "restore": {
    summary: "Bring all networks and sandboxes back after a restart",
    load: () => import("./commands/restore.ts"),
  },
  "doctor": {
    summary: "Find out why ipvlan does not work here, and what to do about it",
    load: () => import("./commands/doctor.ts"),
  },
  "graph": {
    summary: "Draw the networks and sandboxes as they are in the kernel",
    load: () => import("./commands/graph.ts"),
  },
  "agent": {
    summary: "Keep the addresses and names that hosts share up to date, until it is ended",
    load: () => import("./commands/agent.ts"),
  },
  "host ls": {
    summary: "List the hosts that share addresses with this one",
    load: () => import("./commands/host_ls.ts"),
  },
  "host rm": {
    summary: "Free the addresses of hosts that are gone for good",
    load: () => import("./commands/host_rm.ts"),
  },
  "advertise": {
    summary: "List the routes that networks advertise, or print how to announce them",
    load: () => import("./commands/advertise.ts"),
  },
  "apply": {
    summary: "Make the networks and sandboxes of a site file, and run its checks",
    load: () => import("./commands/apply.ts"),
  },
  "diff": {
    summary: 'Show what "apply" would change',
    load: () => import("./commands/diff.ts"),
  },
  "destroy": {
    summary: "Remove everything that a site file has made",
    load: () => import("./commands/destroy.ts"),
  },
  "export": {
    summary: "Print what is on record as a site file",
    load: () => import("./commands/export.ts"),
  },
  "netavark create": {
    summary: "For Podman: check a network of netavark's",
    load: () => netavark("create"),
  },
  "netavark setup": {
    summary: "For Podman: connect a container to a network",
    load: () => netavark("setup"),
  },
  "netavark teardown": {
    summary: "For Podman: disconnect a container from a network",
    load: () => netavark("teardown"),
  },
  "netavark info": {
    summary: "For Podman: print the version of the plugin",
    load: () => netavark("info"),
  },
  "netavark install": {
    summary: "Make ipvlan a plugin of Podman's netavark",
    load: () => netavark("install"),
  },
  "cni": {
    summary: "Be the CNI plugin of containerd, Kubernetes, Nomad and Podman, or install it",
    load: () => import("./commands/cni.ts"),
  },
  "docker serve": {
    summary: "Serve Docker as the plugin ipvlan-kit, for its networks",
    load: () => import("./commands/docker_serve.ts"),
  },
  "docker install": {
    summary: "Write the systemd units that start the plugin for Docker",
    load: () => import("./commands/docker_install.ts"),
  },
  "docker bundle": {
    summary: "Make the folder of a managed plugin, as Docker Swarm wants it",
    load: () => import("./commands/docker_bundle.ts"),
  },
  "lab": {
    summary: "Run scenarios, or any command, in a kernel that has ipvlan",
    load: () => import("./commands/lab.ts"),
  },
  "version": {
    summary: "Print the version",
    load: () => import("./commands/version.ts"),
  },
  "completion": {
    summary: "Print a script for a shell that completes commands, options and names",
    load: () => import("./commands/completion.ts"),
  },
};

/** Loads one of the commands of `netavark`, which are in one module. */
async function netavark(
  name: keyof typeof import("./commands/netavark.ts"),
): Promise<{ default: Command }> {
  return { default: (await import("./commands/netavark.ts"))[name] };
}

/** Docker's other names of commands. */
export const ALIASES: Readonly<Record<string, string>> = {
  "network list": "network ls",
  "network remove": "network rm",
  "container ls": "ps",
  "container list": "ps",
  "container ps": "ps",
  "container run": "run",
  "container exec": "exec",
  "container rm": "rm",
  "container remove": "rm",
  "container inspect": "inspect",
  "container stop": "stop",
  "container kill": "kill",
  "container wait": "wait",
  "container logs": "logs",
};

/** A command by its own name, with what the list of all commands has of it. */
export interface FoundCommand extends Entry {
  /** Its own name: `network ls`. */
  name: string;
}

/** Finds a command by the words that one types: `network create`, `network list`. */
export function findCommand(typed: string): FoundCommand | undefined {
  const name = Object.hasOwn(ALIASES, typed) ? ALIASES[typed]! : typed;
  return Object.hasOwn(COMMANDS, name) ? { name, ...COMMANDS[name]! } : undefined;
}

/** Whether a word is the first of a command's two words: `network`, `container`. */
export function isGroup(word: string): boolean {
  return [COMMANDS, ALIASES].flatMap(Object.keys).some((name) => name.startsWith(`${word} `));
}
