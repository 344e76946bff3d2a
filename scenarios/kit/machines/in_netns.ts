// Runs `ip`, and writes settings of the kernel, in a network namespace.
import { type CommandResult, run } from "../command.ts";
import { feed, spawn } from "../../../lib/iproute2/shell.ts";
import { netnsName } from "../../../lib/iproute2/words.ts";

/** Runs `ip` in a namespace, or in the caller's own. */
export function runIp(netns: string | undefined, ...words: string[]): Promise<CommandResult> {
  return run("ip", ...(netns === undefined ? [] : ["-n", netnsName(netns)]), ...words);
}

/** Writes one value to kernel settings of a namespace: `net/ipv4/ip_forward`. */
export async function writeSysctls(netns: string, keys: string[], value: string): Promise<void> {
  // tee(1) and not sysctl(8), which small systems lack.
  const files = keys.map((key) => `/proc/sys/${key}`);
  const args = ["netns", "exec", netnsName(netns), "tee", ...files];
  const { success, err } = await feed(spawn("ip", args), `${value}\n`);
  if (!success) {
    throw new Error(`Cannot set ${keys.join(", ")} of ${netns} to ${value}: ${err.trim()}`);
  }
}
