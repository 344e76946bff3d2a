import type { NetlinkSocket } from "../netlink/socket.ts";

/** A row of the JSON that `ip` prints. */
export type Row = Record<string, unknown>;

/** Does by netlink what a line does, whose words are checked before. @throws {SystemError} */
export type Send = (socket: NetlinkSocket) => void;

/** Asks by netlink what a line asks, and returns the rows that `ip` would print. */
export type Read = (socket: NetlinkSocket) => Row[];

/** A change in the kernel: a line of `ip`, and the netlink messages that do the same. */
export interface Change {
  /** The line, without `ip` before it. */
  readonly line: string;
  /** Does it by netlink; left out, only `ip` can. */
  readonly send?: Send;
}

/** Thrown by a {@linkcode Read}: only `ip` can answer, as this process lacks a permission. */
export class NeedsProgram extends Error {}

/** Runs lines: a `Session`, or its wrapper or stand-in. */
export interface Runner {
  /** Runs a line that changes something: resolves when it has taken effect. */
  change(line: string): Promise<void>;
  /** Runs a line that prints JSON: resolves to the parsed rows. */
  query(line: string): Promise<Record<string, unknown>[]>;
}

/** A runner that can do without lines: by netlink if a line has such a function, else by the line. */
export interface DirectRunner extends Runner {
  change(line: string, send?: Send): Promise<void>;
  query(line: string, read?: Read): Promise<Row[]>;
}

/** Makes a change. Fails as {@linkcode Runner.change} does. */
export async function make(runner: Runner, { line, send }: Change): Promise<void> {
  // Another runner takes no notice of `send`.
  await (runner as DirectRunner).change(line, send);
}

/** Asks a question. Fails as {@linkcode Runner.query} does. */
export async function ask(runner: Runner, line: string, read?: Read): Promise<Row[]> {
  return await (runner as DirectRunner).query(line, read);
}
