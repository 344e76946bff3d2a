import type { Command } from "./command.ts";

/** Where a command is, and what it does in half a line. It is loaded only when it is run. */
export interface Entry {
  /** What it does, in half a line. */
  summary: string;
  /** Loads it. */
  load(): Promise<{ default: Command }>;
}

/** Every command, by the words that one types. */
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
    summary: "Show networks in full, as JSON",
    load: () => import("./commands/network_inspect.ts"),
  },
  "network rm": {
    summary: "Remove networks",
    load: () => import("./commands/network_rm.ts"),
  },
  "network prune": {
    summary: "Remove all networks that nothing is connected to",
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
    summary: "Show sandboxes in full, as JSON",
    load: () => import("./commands/inspect.ts"),
  },
  "attach": {
    summary: "Connect the namespace of a process, or one by its name or file, to a network",
    load: () => import("./commands/attach.ts"),
  },
  "restore": {
    summary: "Bring everything on record back after a restart",
    load: () => import("./commands/restore.ts"),
  },
  "doctor": {
    summary: "Say why ipvlan would not work here, and what to do about it",
    load: () => import("./commands/doctor.ts"),
  },
  "graph": {
    summary: "Show the networks and sandboxes as they stand in the kernel",
    load: () => import("./commands/graph.ts"),
  },
  "apply": {
    summary: "Make networks and sandboxes as a site file says, and check what must hold",
    load: () => import("./commands/apply.ts"),
  },
  "diff": {
    summary: "Show what applying a site file would change",
    load: () => import("./commands/diff.ts"),
  },
  "destroy": {
    summary: "Remove everything that a site file has made",
    load: () => import("./commands/destroy.ts"),
  },
  "lab": {
    summary: "Run scenarios, or any command, in a kernel that has ipvlan",
    load: () => import("./commands/lab.ts"),
  },
  "completion": {
    summary: "Print the script that completes words in a shell",
    load: () => import("./commands/completion.ts"),
  },
};
