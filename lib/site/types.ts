import type { Finding } from "../check/mod.ts";
import type {
  Connection,
  Labelling,
  NetworkSpec,
  SandboxSettings,
  SandboxSpec,
} from "../driver/model/types.ts";

/** A desired sandbox. */
export interface DesiredSandbox extends SandboxSettings {
  /** Its name. */
  name: string;
  /** Its networks. The first one has the default route. */
  connections: Connection[];
  /** The command to start in it; empty for none. */
  command: string[];
  /** The user's labels. */
  labels: Record<string, string>;
}

/** The file that a site was read from. By this, `apply` recognizes what the file made before. */
export interface SiteSource {
  /** The file's absolute path without symbolic links, or `-` for standard input. */
  path: string;
  /** A hash of its text, by which a moved file is recognized. */
  content: string;
}

/** A check of a site file: a sandbox must reach a target, or must not. */
export interface Check {
  /** The sentence, as it is in the file. */
  sentence: string;
  /** The network to ask on; left out, the one that the routes lead to. */
  network?: string;
  /** The asking sandbox. */
  from: string;
  /** Whether the target must answer; if not, it must not. */
  reaches: boolean;
  /** The target: a sandbox, an alias, or an address. */
  target: string;
  /** The family of the target's address. */
  family?: 4 | 6;
}

/** The content of a site file. */
export interface Desired {
  /** The site's name. */
  name: string;
  /** The file that it was read from; `undefined` for a text without a file. */
  source?: SiteSource;
  /** The networks, in the file's order, with the user's labels. */
  networks: NetworkSpec[];
  /** The sandboxes, in the file's order. */
  sandboxes: DesiredSandbox[];
  /** The checks that must hold. */
  checks: Check[];
}

/** The change of one network or sandbox. */
export interface Change {
  /** `+` for made, `-` for removed, `~` for changed. */
  sign: "+" | "-" | "~";
  /** What it is. */
  kind: "network" | "sandbox";
  /** Its name. */
  name: string;
  /** The details, in phrases. */
  details: string[];
  /** Whether it removes something, or interrupts connectivity. */
  disruptive: boolean;
  /** The other file that owns it so far, if any: see {@linkcode SiteSource}. */
  file?: string;
}

/** The steps from the current to the desired state. The fields are in the order of the steps. */
export interface Plan {
  site: string;
  changes: Change[];
  /** The sandboxes to restore, whose namespaces are gone. */
  restore: string[];
  removeSandboxes: string[];
  /** The networks to disconnect sandboxes from, the last of each first. */
  disconnect: { sandbox: string; networks: string[] }[];
  removeNetworks: string[];
  /** The networks to create, with all their labels. */
  createNetworks: NetworkSpec[];
  connect: { sandbox: string; connections: Connection[] }[];
  /** The sandboxes to create, with all their labels. */
  createSandboxes: SandboxSpec[];
  /** The commands to start, each with the new labels of its sandbox. */
  start: { sandbox: string; command: string[]; labels: Record<string, string> }[];
  label: Labelling[];
  /** New labels for otherwise unchanged networks and sandboxes of another file, with consent. */
  takeOver: Labelling[];
}

/** How to apply a site. */
export interface ApplyOptions {
  /**
   * Whether the changes may remove something, interrupt connectivity, and touch what belongs to
   * another file. A list allows only the changes of these lines, as the error `consent` has them.
   */
  yes?: boolean | readonly string[];
  /** Whether to keep the changes if a call or a check fails, instead of rolling them back. */
  keep?: boolean;
  /** The driver's host, for checks: a namespace under `/run/netns`; by default the caller's. */
  host?: string;
  /**
   * Ends the wait for the lock, the checks, or the changes after the current step. The changes made
   * so far are then rolled back, and the call fails with the error `interrupted`.
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

/** The result of {@linkcode apply}. */
export interface ApplyReport {
  /** The changes, as lines of the plan; empty if everything was already as it should be. */
  changes: string[];
  /** Notices for the user. */
  notices: string[];
  /** The findings of the checks. All of them held. */
  checks: Finding[];
}
