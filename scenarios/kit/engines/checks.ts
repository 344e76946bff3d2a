/**
 * Checks of what the commands of engines do and print.
 *
 * @module
 */
import { type Finding, finding } from "../../../lib/check/reach.ts";
import { type CommandResult, run } from "../command.ts";
import type { Ip } from "../../../lib/iproute2/ip.ts";
import { type MachineState, machineState } from "./machine.ts";

/** A line for a shell, or its result on another machine. */
type Line = string | Promise<CommandResult>;

/** Runs a line in a shell. The evidence is the line itself. */
async function runLine(line: Line): Promise<CommandResult> {
  return typeof line === "string" ? { ...await run("sh", "-c", line), command: line } : await line;
}

/** Whether text has a part, or matches an expression. */
function has(text: string, part: string | RegExp): boolean {
  return typeof part === "string" ? text.includes(part) : part.test(text);
}

/**
 * Checks that a line for a shell succeeds, and what it prints.
 *
 * @param sentence The claim that this proves: `c1 reaches the router`.
 */
export async function shows(
  sentence: string,
  line: Line,
  ...parts: (string | RegExp)[]
): Promise<Finding> {
  const result = await runLine(line);
  const held = result.success && parts.every((part) => has(result.output, part));
  return finding(sentence, held, result);
}

/** Checks that a line for a shell fails, and what it prints. */
export async function failsWith(
  sentence: string,
  line: Line,
  ...parts: (string | RegExp)[]
): Promise<Finding> {
  const result = await runLine(line);
  const held = !result.success && parts.every((part) => has(result.output, part));
  return finding(sentence, held, result);
}

/** Checks that a line for a shell prints the same as before. */
export async function showsStill(sentence: string, line: string, before: string): Promise<Finding> {
  const result = await runLine(line);
  const held = result.success && result.output === before;
  return finding(sentence, held, result, { command: `${line} # before`, output: before });
}

/** Checks that the machine is as it was: the same links, mounts and programs of engines. */
export async function nothingIsLeft(ip: Ip, before: MachineState): Promise<Finding> {
  const now = await machineState(ip);
  const lines = (state: MachineState) =>
    Object.entries(state).flatMap(([kind, names]) =>
      names.map((name: string) => `${kind} ${name}`)
    );
  const [old, current] = [lines(before), lines(now)];
  const more = current.filter((line) => !old.includes(line)).map((line) => `+ ${line}`);
  const less = old.filter((line) => !current.includes(line)).map((line) => `- ${line}`);
  const recorded = await runLine("ipvlan network ls --quiet; ipvlan ps --quiet");
  return finding(
    "Nothing is left: the same links, mounts and programs as before, and no record",
    more.length + less.length === 0 && recorded.success && recorded.output === "",
    { command: "ip link; mount; ps", output: [...more, ...less].join("\n") || "as before" },
    recorded,
  );
}
