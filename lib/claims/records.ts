import type { DatabaseSync } from "node:sqlite";

/** The records of shared pools, in the driver's database. */
export class ClaimRecords {
  /** Uses a database that has the tables. */
  constructor(_db: DatabaseSync) {}
}
