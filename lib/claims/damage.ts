import type { KeyValue } from "./etcd_wire.ts";
import { addressIn } from "./values.ts";
import { isIpvlanError } from "../base/errors.ts";

/** The damaged keys of an etcd, which are skipped. Each is reported once. */
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

  /** Reads the addresses in the keys of blocks or claims, in hexadecimal digits. */
  addresses(pairs: readonly KeyValue[]): string[] {
    return pairs.flatMap((pair) => this.read(({ key }) => addressIn(key), pair) ?? []);
  }

  /** Skips the damaged key that an error is about. @throws Any other error. */
  pass(error: unknown): void {
    if (!isIpvlanError(error, "damaged-key")) throw error;
    if (!this.#known.has(error.key)) this.#unnamed.push(error.message);
    this.#known.add(error.key);
  }

  /** Returns a sentence for each key that has not been reported yet. */
  name(): string[] {
    return this.#unnamed.splice(0);
  }
}
