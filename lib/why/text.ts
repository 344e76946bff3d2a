import { type Rule, RULES } from "./rules.ts";
import type { Step } from "./walk.ts";
import type { Answer } from "./why.ts";

const VERDICTS: Readonly<Record<Answer["verdict"], string>> = {
  yes: "reaches",
  no: "does not reach",
  leaves: "may reach",
  unknown: "may or may not reach",
};

/** A step in words: `c1 eth0: nobody there answers for 192.168.1.9`. */
export function stepText({ code, netns, link, about = "" }: Step): string {
  const { says }: Rule = RULES[code];
  return `${netns ?? "the host"}${link === undefined ? "" : ` ${link}`}: ${
    says.replace("{}", about)
  }`;
}

/**
 * An answer as a colleague would say it: the verdict with its reason, then the steps, the one that ends
 * the path marked, and what to do.
 *
 * @param from The one that asks, and `to` the one that is asked.
 * @param fix The command that helps, if one is known.
 */
export function toText(
  { verdict, there, back }: Answer,
  { from, to, fix }: { from: string; to: string; fix?: string },
): string {
  const last = [...there, ...back].at(-1)!;
  const isBack = verdict === "no" && back.length > 0;
  const reason = verdict === "yes" ? "" : `: ${isBack ? "on the way back, " : ""}${stepText(last)}`;
  const line = (step: Step) =>
    `${step === last && verdict !== "yes" ? " ✗ " : "   "}${stepText(step)}`;
  return [
    `${from} ${VERDICTS[verdict]} ${to}${reason} [${last.code}]`,
    "there:",
    ...there.map(line),
    ...back.length > 0 ? ["back:", ...back.map(line)] : [],
    ...fix === undefined ? [] : ["to do:", `   ${fix}`],
  ].join("\n");
}
