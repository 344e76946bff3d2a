import type { Finding } from "../../../lib/check/mod.ts";
import type { StatementId } from "./statements.ts";

/** The result of checking a statement. */
export interface Verdict {
  /** The statement. */
  id: StatementId;
  /** Whether all findings held. */
  held: boolean;
  /** The findings that prove or disprove it. */
  findings: Finding[];
}
