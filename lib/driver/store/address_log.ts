/** The fewest addresses to remember. Replaying more of them takes longer than reading all again. */
const REMEMBERED = 1000;

/** The addresses that this process has given away or freed, in that order. */
export class AddressLog {
  #addresses: string[] = [];
  #forgotten = 0;

  add(...addresses: readonly string[]): void {
    this.#addresses.push(...addresses);
    const surplus = this.#addresses.length - REMEMBERED;
    if (surplus < REMEMBERED) return;
    this.#addresses.splice(0, surplus);
    this.#forgotten += surplus;
  }

  /** The number of addresses that were ever added. */
  get length(): number {
    return this.#forgotten + this.#addresses.length;
  }

  /** The addresses added after the first `length` ones; `undefined` if some of them are forgotten. */
  since(length: number): readonly string[] | undefined {
    return length < this.#forgotten ? undefined : this.#addresses.slice(length - this.#forgotten);
  }
}
