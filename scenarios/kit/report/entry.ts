import type { Evidence } from "../../../lib/check/mod.ts";
import type { Verdict } from "../../../lib/why/mod.ts";

/** A part of a guided tour, in the order in which it happened. */
export type Entry =
  /** The guide's line that the scenario performs, or a title. */
  | { kind: "step"; at: number; line: string }
  /** A note for the reader. */
  | { kind: "note"; text: string }
  /** A command and its output, without a check. */
  | { kind: "shown"; evidence: Evidence }
  /** A checked statement: its index in the verdicts of the scenario. */
  | { kind: "verdict"; at: number; index: number };

/** The network of a scenario, when it had the most ipvlan links. */
export interface Picture {
  /** The seconds from the start of the scenario. */
  at: number;
  /** The topology of each host, from the view of its own namespace. */
  hosts: {
    /** The host's namespace. */
    name: string;
    /** An SVG picture. */
    svg: string;
    /** The same as text. */
    text: string;
  }[];
  /** Who reaches whom; left out, there were too many to ask. */
  matrix?: Matrix;
}

/** Who reaches whom, as the model predicts it, and as it was seen by pings. */
export interface Matrix {
  /** The namespaces that ask. */
  from: string[];
  /** The addresses that are asked, with the namespaces that have them. */
  to: { netns: string; address: string }[];
  /** The answers of the model, row by row. */
  predicted: MatrixAnswer[][];
  /** Whether a ping was answered, row by row. */
  seen: boolean[][];
}

/** An answer of the model: its verdict, and for all others than `yes` the reason. */
export interface MatrixAnswer {
  verdict: Verdict;
  reason?: string;
}

/** Whether the model knew the answer, and the answer was another one. */
export function differs({ verdict }: MatrixAnswer, seen: boolean): boolean {
  return (verdict === "yes" && !seen) || (verdict === "no" && seen);
}
