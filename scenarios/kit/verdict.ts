import type { Finding } from "../../lib/check/mod.ts";
import type { StatementId } from "./statements.ts";

/** A statement that was checked. */
export interface Verdict {
  /** The statement. */
  id: StatementId;
  /** Whether all findings held. */
  held: boolean;
  /** What was found. */
  findings: Finding[];
}
