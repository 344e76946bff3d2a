import type { KeyValue } from "./etcd_wire.ts";
import { addressIn } from "./values.ts";
import { isIpvlanError } from "../base/errors.ts";

/** The keys of an etcd that are damaged and were passed over. Each is named once. */
export class Damage {
  readonly #known = new Set<string>();
  #unnamed: string[] = [];

  /** Reads the value of a key; `undefined` if there is none, or if it is damaged. */
  read<T>(read: (pair: KeyValue) => T, pair: KeyValue | undefined): T | undefined {
    try {
      return pair && read(pair);
    } catch (error) {
      this.pass(error);
    }
  }

  /** The addresses in the keys of blocks or claims, in hexadecimal digits. */
  addresses(pairs: readonly KeyValue[]): string[] {
    return pairs.flatMap((pair) => this.read(({ key }) => addressIn(key), pair) ?? []);
  }

  /** Passes an error over. @throws It is about something else than a damaged key. */
  pass(error: unknown): void {
    if (!isIpvlanError(error, "damaged-key")) throw error;
    if (!this.#known.has(error.key)) this.#unnamed.push(error.message);
    this.#known.add(error.key);
  }

  /** The sentences about those that have not been named yet. */
  name(): string[] {
    return this.#unnamed.splice(0);
  }
}
