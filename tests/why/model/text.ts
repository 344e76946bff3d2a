import { type Rule, RULES } from "./rules.ts";
import type { Step } from "./walk.ts";

/** A step in words: `c1 eth0: nobody there answers for 192.168.1.9`. */
export function stepText({ code, netns, link, about = "" }: Step): string {
  const { says }: Rule = RULES[code];
  return `${netns ?? "the host"}${link === undefined ? "" : ` ${link}`}: ${
    says.replace("{}", about)
  }`;
}
