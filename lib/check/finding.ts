/** A command that a check ran, and its output. */
export interface Evidence {
  /** The command line, as a user would type it: `ip -n c1 -4 route show`. */
  command: string;
  /** The text on standard output and standard error, without the last newline. */
  output: string;
}

/** The result of a check. */
export interface Finding {
  /** The claim that was checked: `c1 reaches 192.168.1.1`. */
  sentence: string;
  /** Whether the claim is true. */
  held: boolean;
  /** The commands that show it, with their output. */
  evidence: Evidence[];
}

/** Makes a finding from the commands that show it. */
export function finding(sentence: string, held: boolean, ...shown: Evidence[]): Finding {
  return { sentence, held, evidence: shown.map(({ command, output }) => ({ command, output })) };
}

/** Names a namespace in a sentence; `undefined` is the caller's own. */
export function describeNetns(netns: string | undefined): string {
  return netns ?? "this namespace";
}
