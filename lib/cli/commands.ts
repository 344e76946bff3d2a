import type { Command } from "./command.ts";

/** A command in the list of all of them. Its module is loaded only when it is needed. */
export interface Entry {
  summary: string;
  load(): Promise<Command>;
}

const SUMMARIES: Readonly<Record<string, string>> = {
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
  "why": "Say whether one reaches another, by which way, and if not, why",
  "matrix": "Say who reaches whom, of the host and all sandboxes",
  "graph": "Draw the networks and sandboxes as they are in the kernel",
  "agent": "Restore what a parent that comes back had, and do what hosts that share need",
  "agent install": "Write the systemd unit that starts the agent",
  "agent uninstall": "Remove the systemd unit that agent install has written",
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
  "cni": "Be the CNI plugin of containerd, Kubernetes, Nomad and Podman",
  "cni install": "Make ipvlan a plugin of CNI",
  "cni uninstall": "Remove what cni install has written",
  "cni serve": "Answer the calls of CNI without a start of Deno for each",
  "docker serve": "Serve Docker as the plugin ipvlan-kit, for its networks",
  "docker install": "Write the systemd units that start the plugin for Docker",
  "docker uninstall": "Remove the systemd units that docker install has written",
  "docker bundle": "Make the folder of a managed plugin, as Docker Swarm wants it",
  "docker migrate": "Move a network of Docker's own ipvlan driver to the plugin",
  "lab": "Run scenarios, or any command, in a kernel that has ipvlan",
  "version": "Print the version",
  "completion": "Print a script for a shell that completes commands, options and names",
};

/**
 * The modules, each with the first words of its commands. One exports its only command as its default,
 * or several under their last words.
 */
const MODULES: [load: () => Promise<object>, ...words: string[]][] = [
  [() => import("./commands/network.ts"), "network"],
  [() => import("./commands/address.ts"), "address"],
  [() => import("./commands/run.ts"), "run", "exec"],
  [() => import("./commands/sandbox.ts"), "ps", "rm", "inspect", "stop", "kill", "wait", "logs"],
  [() => import("./commands/attach.ts"), "attach"],
  [() => import("./commands/restore.ts"), "restore", "agent"],
  [() => import("./commands/doctor.ts"), "doctor"],
  [() => import("./commands/why.ts"), "why", "matrix"],
  [() => import("./commands/graph.ts"), "graph"],
  [() => import("./commands/host.ts"), "host"],
  [() => import("./commands/advertise.ts"), "advertise"],
  [() => import("./commands/site.ts"), "apply", "diff", "destroy", "export"],
  [() => import("./commands/netavark.ts"), "netavark"],
  [() => import("./commands/cni.ts"), "cni"],
  [() => import("./commands/docker.ts"), "docker"],
  [() => import("./commands/program.ts"), "lab", "version"],
  [() => import("./commands/completion.ts"), "completion"],
];

export const COMMANDS: Readonly<Record<string, Entry>> = Object.fromEntries(
  Object.entries(SUMMARIES).map(([name, summary]): [string, Entry] => {
    const [first = "", last = "default"] = name.split(" ");
    const [loadModule] = MODULES.find(([, ...words]) => words.includes(first))!;
    const load = async () => {
      const commands = await loadModule() as Record<string, Command>;
      return commands[last] ?? commands[first]!;
    };
    return [name, { summary, load }];
  }),
);

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

/** The name of a command at the start of a line, as typed: `network create`, or `agent`. */
export function typedName([first = "", second = "-"]: readonly string[]): string {
  return isGroup(first) && !second.startsWith("-") ? `${first} ${second}` : first;
}

/** Whether a word is the first of a command's two words: `network`, `container`. */
export function isGroup(word: string): boolean {
  return [COMMANDS, ALIASES].flatMap(Object.keys).some((name) => name.startsWith(`${word} `));
}
