import type { Command } from "./command.ts";

/** A command in the list of all of them. Its module is loaded only when it is needed. */
export interface Entry {
  summary: string;
  load(): Promise<{ default: Command }>;
}

const SUMMARIES = {
  "network create": "Create a network",
  "network update": "Change options of a network while its sandboxes run",
  "network ls": "List networks",
  "network inspect": "Show networks in full",
  "network rm": "Remove networks",
  "network prune": "Remove all networks that no sandbox is connected to",
  "network connect": "Connect a sandbox to a network",
  "network disconnect": "Disconnect a sandbox from a network",
  "address reserve": "Keep an address of a network for a sandbox that may not run",
  "address ls": "List reserved addresses",
  "address release": "Release the addresses reserved for a sandbox",
  "run": "Run a command in a new sandbox",
  "exec": "Run a command in a sandbox",
  "ps": "List sandboxes with their networks and addresses",
  "rm": "Remove sandboxes",
  "inspect": "Show sandboxes and networks in full",
  "stop": "End the processes in sandboxes",
  "kill": "Send a signal to the processes in sandboxes",
  "wait": "Wait until no process is in sandboxes, and print exit statuses",
  "logs": "Print what the command of a sandbox has printed",
  "attach": "Connect a network namespace that exists already to a network",
  "restore": "Bring all networks and sandboxes back after a restart",
  "doctor": "Find out why ipvlan does not work here, and what to do about it",
  "graph": "Draw the networks and sandboxes as they are in the kernel",
  "agent": "Restore what a parent that comes back had, and do what hosts that share need",
  "host ls": "List the hosts that share addresses with this one",
  "host rm": "Free the addresses of hosts that are gone for good",
  "advertise": "List the routes that networks advertise, or print how to announce them",
  "apply": "Make the networks and sandboxes of a site file, and run its checks",
  "diff": 'Show what "apply" would change',
  "destroy": "Remove everything that a site file has made",
  "export": "Print what is on record as a site file",
  "netavark create": "For Podman: check a network of netavark's",
  "netavark setup": "For Podman: connect a container to a network",
  "netavark teardown": "For Podman: disconnect a container from a network",
  "netavark info": "For Podman: print the version of the plugin",
  "netavark install": "Make ipvlan a plugin of Podman's netavark",
  "netavark uninstall": "Remove what netavark install has written",
  "netavark serve": "Answer Podman's calls without a start of Deno for each",
  "cni": "Be the CNI plugin of containerd, Kubernetes, Nomad and Podman, or install it",
  "docker serve": "Serve Docker as the plugin ipvlan-kit, for its networks",
  "docker install": "Write the systemd units that start the plugin for Docker",
  "docker uninstall": "Remove the systemd units that docker install has written",
  "docker bundle": "Make the folder of a managed plugin, as Docker Swarm wants it",
  "docker migrate": "Move a network of Docker's own ipvlan driver to the plugin",
  "lab": "Run scenarios, or any command, in a kernel that has ipvlan",
  "version": "Print the version",
  "completion": "Print a script for a shell that completes commands, options and names",
};

const MODULES: Readonly<Record<keyof typeof SUMMARIES, Entry["load"]>> = {
  "network create": () => import("./commands/network_create.ts"),
  "network update": () => import("./commands/network_update.ts"),
  "network ls": () => import("./commands/network_ls.ts"),
  "network inspect": () => import("./commands/network_inspect.ts"),
  "network rm": () => import("./commands/network_rm.ts"),
  "network prune": () => import("./commands/network_prune.ts"),
  "network connect": () => import("./commands/network_connect.ts"),
  "network disconnect": () => import("./commands/network_disconnect.ts"),
  "address reserve": async () => ({ default: (await address()).reserve }),
  "address ls": async () => ({ default: (await address()).ls }),
  "address release": async () => ({ default: (await address()).release }),
  "run": () => import("./commands/run.ts"),
  "exec": () => import("./commands/exec.ts"),
  "ps": () => import("./commands/ps.ts"),
  "rm": () => import("./commands/rm.ts"),
  "inspect": () => import("./commands/inspect.ts"),
  "stop": () => import("./commands/stop.ts"),
  "kill": () => import("./commands/kill.ts"),
  "wait": () => import("./commands/wait.ts"),
  "logs": () => import("./commands/logs.ts"),
  "attach": () => import("./commands/attach.ts"),
  "restore": () => import("./commands/restore.ts"),
  "doctor": () => import("./commands/doctor.ts"),
  "graph": () => import("./commands/graph.ts"),
  "agent": () => import("./commands/agent.ts"),
  "host ls": () => import("./commands/host_ls.ts"),
  "host rm": () => import("./commands/host_rm.ts"),
  "advertise": () => import("./commands/advertise.ts"),
  "apply": () => import("./commands/apply.ts"),
  "diff": () => import("./commands/diff.ts"),
  "destroy": () => import("./commands/destroy.ts"),
  "export": () => import("./commands/export.ts"),
  "netavark create": () => netavark("create"),
  "netavark setup": () => netavark("setup"),
  "netavark teardown": () => netavark("teardown"),
  "netavark info": () => netavark("info"),
  "netavark install": () => netavark("install"),
  "netavark uninstall": () => netavark("uninstall"),
  "netavark serve": () => netavark("serve"),
  "cni": () => import("./commands/cni.ts"),
  "docker serve": () => import("./commands/docker_serve.ts"),
  "docker install": async () => ({ default: (await dockerInstall()).install }),
  "docker uninstall": async () => ({ default: (await dockerInstall()).uninstall }),
  "docker bundle": () => import("./commands/docker_bundle.ts"),
  "docker migrate": () => import("./commands/docker_migrate.ts"),
  "lab": () => import("./commands/lab.ts"),
  "version": () => import("./commands/version.ts"),
  "completion": () => import("./commands/completion.ts"),
};

const address = () => import("./commands/address.ts");

const dockerInstall = () => import("./commands/docker_install.ts");

export const COMMANDS: Record<string, Entry> = Object.fromEntries(
  Object.entries(SUMMARIES).map(([name, summary]) => [
    name,
    { summary, load: MODULES[name as keyof typeof SUMMARIES] },
  ]),
);

/** Loads one of the commands of `netavark`, which are in one module. */
async function netavark(
  name: keyof typeof import("./commands/netavark.ts"),
): Promise<{ default: Command }> {
  return { default: (await import("./commands/netavark.ts"))[name] };
}

export const ALIASES: Readonly<Record<string, string>> = {
  "network list": "network ls",
  "network remove": "network rm",
  "container ls": "ps",
  "container list": "ps",
  "container remove": "rm",
  ...Object.fromEntries(
    ["ps", "run", "exec", "rm", "inspect", "stop", "kill", "wait", "logs"]
      .map((name) => [`container ${name}`, name]),
  ),
};

/** Finds a command, and its own name, by the typed words: `network create`, `network list`. */
export function findCommand(typed: string): Entry & { name: string } | undefined {
  const name = Object.hasOwn(ALIASES, typed) ? ALIASES[typed]! : typed;
  return Object.hasOwn(COMMANDS, name) ? { name, ...COMMANDS[name]! } : undefined;
}

/** Whether a word is the first of a command's two words: `network`, `container`. */
export function isGroup(word: string): boolean {
  return [COMMANDS, ALIASES].flatMap(Object.keys).some((name) => name.startsWith(`${word} `));
}
