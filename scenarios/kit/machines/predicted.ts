/**
 * Checks by pings. The model of who reaches whom is asked before each ping. A check does not hold if the
 * model knew the answer, and the ping had another one.
 *
 * @module
 */
import { isIP } from "node:net";
import { unlessMissing } from "../../../lib/base/files.ts";
import {
  type Control,
  doesNotReach as seesNone,
  type Evidence,
  type Finding,
  type PingOptions,
  reaches as seesAnswer,
} from "../../../lib/check/mod.ts";
import { describeNetns, parseReply } from "../../../lib/check/reach.ts";
import { nodeOf, type WhyView, World } from "../../../lib/why/mod.ts";
import { differs, type MatrixAnswer } from "../report/entry.ts";
import type { CheckedFinding } from "../report/verdict.ts";
import { ask, lookUntilSettled, prepare } from "./model.ts";

/** A ping of a check: from a namespace, to an address or a name. */
interface Question {
  from: string | undefined;
  target: string;
  dev?: string;
}

/** An answer of the model, and its steps in words. */
interface Prediction {
  answer: MatrixAnswer;
  evidence: Evidence;
}

/** Checks what `reaches` of `lib/check` does, after the model has been asked. */
export async function reaches(
  from: string | undefined,
  target: string,
  options: PingOptions = {},
): Promise<CheckedFinding> {
  const predictions = await predict([{ from, target, dev: options.dev }]);
  return compare(await seesAnswer(from, target, options), predictions);
}

/** Checks what `doesNotReach` of `lib/check` does, after the model has been asked, also of the controls. */
export async function doesNotReach(
  from: string | undefined,
  target: string,
  control: Control,
): Promise<CheckedFinding> {
  // In the order of the evidence.
  const predictions = await predict([
    { from, target, dev: control.dev },
    { from: control.control, target },
    { from, target: control.reaches },
  ]);
  return compare(await seesNone(from, target, control), predictions);
}

/** The view for all checks that begin in the same turn. */
let shared: Promise<WhyView> | undefined;

function sharedView(): Promise<WhyView> {
  if (!shared) {
    shared = lookUntilSettled().then(prepare);
    queueMicrotask(() => shared = undefined);
  }
  return shared;
}

/** Asks the model. The look at the machines begins at once. */
async function predict(questions: readonly Question[]): Promise<Prediction[]> {
  const view = await sharedView();
  const world = new World(view);
  return questions.map((question) => {
    const { verdict, reason, steps } = answer(view, world, question);
    const why = reason === undefined ? "" : `: ${reason}`;
    return {
      answer: { verdict, reason },
      evidence: {
        command: `(the model) ${describeNetns(question.from)} to ${question.target}`,
        output: [`predicted ${verdict}${why}`, ...steps].join("\n"),
      },
    };
  });
}

function answer(
  view: WhyView,
  world: World,
  { from, target, dev }: Question,
): ReturnType<typeof ask> {
  const unknown = (reason: string) => ({ verdict: "unknown" as const, reason, steps: [] });
  const node = nodeOf(view, from);
  if (!node) return unknown(`the namespace ${from} is not in view`);
  if (dev !== undefined) return unknown("the ping chooses its link");
  const addresses = isIP(target) ? [target] : addressesOf(from, target);
  if (addresses.length === 0) return unknown(`the address of ${target} is not known`);
  const [first, ...others] = addresses.map((dst) => ask(world, node, dst));
  const isOne = others.every(({ verdict }) => verdict === first!.verdict);
  return isOne ? first! : unknown(`${target} has several addresses`);
}

/** The addresses of a name in the hosts file of a namespace, which `ip netns exec` mounts. */
function addressesOf(netns: string | undefined, name: string): string[] {
  const path = netns === undefined ? "/etc/hosts" : `/etc/netns/${netns}/hosts`;
  const lines = (unlessMissing(() => Deno.readTextFileSync(path)) ?? "").split("\n");
  return lines.map((line) => line.replace(/#.*/, "").trim().split(/\s+/))
    .filter(([, ...names]) => names.includes(name)).map(([address = ""]) => address);
}

/** Adds the predictions to a finding, which holds only if none of them was wrong. */
function compare(finding: Finding, predictions: readonly Prediction[]): CheckedFinding {
  const seen = finding.evidence.map(({ output }) =>
    output.split("\n").some((line) => parseReply(line) !== undefined)
  );
  const compared = predictions.map(({ answer }, index) => ({ answer, seen: seen[index]! }));
  const isWrong = compared.some(({ answer, seen }) => differs(answer, seen));
  return {
    ...finding,
    held: finding.held && !isWrong,
    evidence: [...finding.evidence, ...predictions.map(({ evidence }) => evidence)],
    predictions: compared,
  };
}
