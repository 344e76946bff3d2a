import type { Finding } from "../../../lib/check/mod.ts";
import type { MatrixAnswer } from "./entry.ts";
import type { StatementId } from "./statements.ts";

/** A finding, and of each of its pings what the model said, and whether it was answered. */
export interface CheckedFinding extends Finding {
  /** @default {undefined} The model was not asked. */
  predictions?: { answer: MatrixAnswer; seen: boolean }[];
}

/** The result of checking a statement. */
export interface Verdict {
  /** The statement. */
  id: StatementId;
  /** Whether all findings held. */
  held: boolean;
  /** The findings that prove or disprove it. */
  findings: CheckedFinding[];
}
