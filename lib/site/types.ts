import type { Finding } from "../check/mod.ts";
import type { Connection, NetworkSpec, SandboxSettings } from "../driver/model/types.ts";
import type { Check } from "./sentence.ts";

/** A sandbox as it should be. */
export interface DesiredSandbox extends SandboxSettings {
  /** Its name. */
  name: string;
  /** Its networks; the first one's default route is taken. */
  connections: Connection[];
  /** The command to be started in it; empty where there is none. */
  command: string[];
  /** The user's labels. */
  labels: Record<string, string>;
}

/** The file that a site was read from. By this, `apply` knows what the same file made before. */
export interface SiteSource {
  /** The file's absolute path without symbolic links, or `-` for standard input. */
  path: string;
  /** A hash of its text. By this, a file is known after it was moved. */
  content: string;
}

/** What a site file says. */
export interface Desired {
  /** The site's name. */
  name: string;
  /** The file that it was read from; `undefined` for a text that is in no file. */
  source?: SiteSource;
  /** The networks, in the file's order, with the user's labels. */
  networks: NetworkSpec[];
  /** The sandboxes, in the file's order. */
  sandboxes: DesiredSandbox[];
  /** What must hold. */
  checks: Check[];
}

/** What changes of one network or sandbox. */
export interface Change {
  /** `+` it is made, `-` it is removed, `~` it is changed. */
  sign: "+" | "-" | "~";
  /** What it is. */
  kind: "network" | "sandbox";
  /** Its name. */
  name: string;
  /** What is done to it, in phrases. */
  details: string[];
  /** Whether it removes something, or interrupts connectivity. */
  disruptive: boolean;
  /** The other file that it belongs to so far, if it belongs to one: see {@linkcode SiteSource}. */
  file?: string;
}

/**
 * A sandbox and what it is connected to, in a call of its own. It has settings only where the sandbox
 * is made as well.
 */
export interface Attachment extends SandboxSettings {
  /** The sandbox. */
  sandbox: string;
  /** Its labels, where it is made as well. */
  labels?: Record<string, string>;
  /** What it is connected to, in this order. */
  connections: Connection[];
}

/** What has to be done so that things are as they should be; the fields are in the order of doing. */
export interface Plan {
  /** The site. */
  site: string;
  /** What changes, for people. Empty where nothing does. */
  changes: Change[];
  /** The sandboxes to bring back, whose namespaces are gone. */
  restore: string[];
  /** The sandboxes to remove. */
  removeSandboxes: string[];
  /** The connections to undo, the last of a sandbox first. */
  disconnect: { network: string; sandbox: string }[];
  /** The networks to remove. */
  removeNetworks: string[];
  /** The networks to create, with all their labels. */
  createNetworks: NetworkSpec[];
  /** What to connect. */
  attach: Attachment[];
  /** The commands to start, each with the labels that its sandbox has from then on. */
  start: { sandbox: string; command: string[]; labels: Record<string, string> }[];
  /** The networks and sandboxes to give other labels. */
  label: Labelling[];
  /** What belongs to another file and does not change otherwise: with consent, it gets these labels. */
  takeOver: Labelling[];
}

/** A network or sandbox, and the labels that it gets. */
export interface Labelling {
  /** What it is. */
  kind: Change["kind"];
  /** Its name. */
  name: string;
  /** All its labels. */
  labels: Record<string, string>;
}

/** How to apply a site. */
export interface ApplyOptions {
  /**
   * Whether the changes may remove something, interrupt connectivity, and touch what belongs to
   * another file. A list allows only the changes of these lines, as a `consent` has
   * them.
   *
   * @default {false}
   */
  yes?: boolean | readonly string[];
  /**
   * Whether to keep the changes if a call or a check fails, instead of rolling them back.
   *
   * @default {false}
   */
  keep?: boolean;
  /** The driver's host, for checks: a namespace under `/run/netns`; left out, the caller's own. */
  host?: string;
  /**
   * Ends the wait for the turn, the checks, or the changes after the current step. The changes made
   * so far are then rolled back, and the call fails with an `interrupted`.
   */
  signal?: AbortSignal;
  /** Called with a sentence at the start of each step. */
  progress?: (sentence: string) => void;
  /**
   * Called with each command of a sandbox, instead of starting it. The driver must be on a dry run.
   * No consent is needed, and no check is made.
   */
  dryRun?: (command: string) => void;
}

/** What {@linkcode apply} did. */
export interface ApplyReport {
  /** The changes, as lines of the plan; empty if everything was already as it should be. */
  changes: string[];
  /** Notices for the user. */
  notices: string[];
  /** The findings of the checks. All of them held. */
  checks: Finding[];
}
