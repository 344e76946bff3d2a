import type { Runner } from "./session.ts";
import { netnsName } from "./words.ts";

/** The line `netns add …`. @throws {InvalidWordError} The name is none. */
export function netnsAdd(name: string): string {
  return `netns add ${netnsName(name)}`;
}

/** The line `netns del …`. @throws {InvalidWordError} The name is none. */
export function netnsDel(name: string): string {
  return `netns del ${netnsName(name)}`;
}

/** The verbs of `ip netns`. */
export class NetnsVerbs {
  #runner: Runner;

  /** Makes the verbs of one runner. */
  constructor(runner: Runner) {
    this.#runner = runner;
  }

  /** Makes a named network namespace. @throws {IpCommandError} It exists (`errno` is `EEXIST`). */
  add(name: string): Promise<void> {
    return this.#runner.change(netnsAdd(name));
  }

  /** Deletes a name; the namespace goes when no process is left in it. */
  del(name: string): Promise<void> {
    return this.#runner.change(netnsDel(name));
  }

  /** The names of all network namespaces. */
  async list(): Promise<string[]> {
    return (await this.#runner.query("netns list")).map((row) => row.name as string);
  }
}
