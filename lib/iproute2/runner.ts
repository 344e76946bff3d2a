import type { NetlinkSocket } from "../netlink/socket.ts";

/** Does by netlink what a line does, whose words are checked before. @throws {SystemError} */
export type Send = (socket: NetlinkSocket) => void;

/** A change in the kernel: a line of `ip`, and the netlink messages that do the same. */
export interface Change {
  /** The line, without `ip` before it. */
  readonly line: string;
  /** Does it by netlink; left out, only `ip` can. */
  readonly send?: Send;
}

/** A question to the kernel: a line of `ip`, and the netlink messages that ask the same. */
export interface Query<T> {
  /** The line, without `ip` before it. */
  readonly line: string;
  /** Reads the answer from the rows that `ip` prints. */
  parse(rows: Record<string, unknown>[]): T;
  /** Asks by netlink; left out, only `ip` can. */
  read?(socket: NetlinkSocket): T;
}

/** A line, and what does it by netlink; without that, only `ip` can. */
export interface DirectLine {
  line: string;
  direct?: (socket: NetlinkSocket) => unknown;
}

/** Thrown by {@linkcode Query.read}: only `ip` can answer, as this process lacks a permission. */
export class NeedsProgram extends Error {}

/** Runs lines: a `Session`, or its wrapper or stand-in. */
export interface Runner {
  /** Runs a line that changes something: resolves when it has taken effect. */
  change(line: string): Promise<void>;
  /** Runs a line that prints JSON: resolves to the parsed rows. */
  query(line: string): Promise<Record<string, unknown>[]>;
}

/** A runner that can do without lines: by netlink. */
export interface DirectRunner extends Runner {
  /** Makes a change by netlink if it can be, else by its line. */
  change(line: string, send?: Send): Promise<void>;
  /** Asks by netlink if the question can be, else by its line. */
  ask<T>(query: Query<T>): Promise<T>;
}

/** Makes a change. Fails as {@linkcode Runner.change} does. */
export async function make(runner: Runner, { line, send }: Change): Promise<void> {
  // Another runner takes no notice of `send`.
  await (runner as DirectRunner).change(line, send);
}

/** Asks a question. Fails as {@linkcode Runner.query} does. */
export async function ask<T>(runner: Runner, query: Query<T>): Promise<T> {
  if ("ask" in runner) return await (runner as DirectRunner).ask(query);
  return query.parse(await runner.query(query.line));
}
