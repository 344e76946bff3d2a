import type { SettledNetwork } from "../driver/types.ts";
import { quoted } from "../printable.ts";
import type { Change, Connection, DesiredSandbox, Plan } from "./types.ts";

/** The lines of a plan, as `diff` shows them: a sign, what it is, and what is done to it. */
export function planLines(
  { changes }: Plan,
  which: (change: Change) => boolean = () => true,
): string[] {
  return changes.filter(which).map(({ sign, kind, name, details, disruptive }) => {
    const told = [...details, ...(disruptive ? ["loses connectivity meanwhile"] : [])];
    return `${sign} ${kind} ${name}${told.length > 0 ? `: ${told.join("; ")}` : ""}`;
  });
}

/** What a new network will be. */
export function describeNetwork({ parent, mode, subnets }: SettledNetwork): string[] {
  const carrier = parent === undefined ? "isolated" : `parent ${parent}`;
  return [[carrier, `mode ${mode}`, ...subnets.map(({ subnet }) => subnet)].join(" ")];
}

/** What a new sandbox will be. */
export function describeSandbox({ connections, command }: DesiredSandbox): string[] {
  return [
    ...connections.map(describeConnection),
    ...(command.length > 0 ? [`command ${show(command)}`] : []),
  ];
}

/** A connection that will be: the network, and the addresses asked for. */
export function describeConnection(
  { network, ip, ip6 }: Connection,
): string {
  return [network, ip, ip6].filter((part) => part !== undefined).join(" ");
}

/** A command in one line: see {@linkcode quoted}. */
export function show(command: readonly string[]): string {
  return command.map(quoted).join(" ");
}
