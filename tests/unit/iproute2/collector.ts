import type { Runner } from "../../../lib/iproute2/session.ts";

/** A runner that keeps the lines and answers every query with the rows that it was given. */
export class Collector implements Runner {
  readonly lines: string[] = [];
  #rows: Record<string, unknown>[];

  constructor(rows: Record<string, unknown>[] = []) {
    this.#rows = rows;
  }

  change(line: string): Promise<void> {
    this.lines.push(line);
    return Promise.resolve();
  }

  query(line: string): Promise<Record<string, unknown>[]> {
    this.lines.push(line);
    return Promise.resolve(this.#rows);
  }
}
