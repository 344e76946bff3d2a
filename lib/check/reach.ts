import { describeNetns, type Finding, toEvidence } from "./finding.ts";
import { ping, type PingOptions, wasTried } from "./ping.ts";

/** How long to wait for an answer that should come, in seconds. Emulated machines are slow. */
export const REPLY_TIMEOUT = 5;

/** How long to wait for an answer that should not come, in seconds. */
export const SILENCE_TIME = 1;

/**
 * If a control's answer takes longer than this, in milliseconds, {@linkcode SILENCE_TIME} is too
 * short to be sure.
 */
const SLOW = 300;

/** The answers that must arrive while a target does not answer. */
export interface Control extends PingOptions {
  /**
   * The namespace that the target has to answer at the same time, which proves that the target is
   * alive; `undefined` for the caller's own.
   */
  control: string | undefined;
  /**
   * An address or a name that has to answer the asker at the same time, on the link of its route.
   * This proves that the asker is not cut off.
   */
  reaches: string;
}

/**
 * Checks that a target answers a ping within 5 seconds. Resolves at the first answer.
 *
 * @param from The network namespace to ping from; `undefined` for the caller's own.
 * @param target An address of either family, or a name. The names of a namespace are those in
 * `/etc/netns/NAME/hosts`, which `ip netns exec` mounts over `/etc/hosts` (ip-netns(8)).
 * @throws {"program-not-found"} if the machine has no `ip` or no `ping`.
 *
 * @example
 * ```ts
 * import { reaches } from "@ipvlan/kit/check";
 *
 * const { sentence, held, evidence } = await reaches("c1", "192.168.1.1");
 * if (!held) console.error(`Not so: ${sentence}`, evidence);
 * ```
 */
export async function reaches(
  from: string | undefined,
  target: string,
  { dev, signal }: PingOptions = {},
): Promise<Finding> {
  const result = await ping(from, target, { seconds: REPLY_TIMEOUT, dev, signal });
  return {
    sentence: `${describeNetns(from)} reaches ${target}`,
    held: result.reply !== undefined,
    evidence: [toEvidence(result)],
  };
}

/**
 * Checks that a target does not answer a ping for a second, while it answers the control, and while
 * another target answers the asker. If one of these answers is slow, the target gets a second, longer
 * chance.
 *
 * @param from The network namespace to ping from; `undefined` for the caller's own.
 * @param target As for {@linkcode reaches}.
 * @throws {"program-not-found"} if the machine has no `ip` or no `ping`.
 *
 * @example
 * ```ts
 * import { doesNotReach } from "@ipvlan/kit/check";
 *
 * // c3 is on the network of 192.168.30.2. c1 and c2 are on another one.
 * const { held } = await doesNotReach("c1", "192.168.30.2", { control: "c3", reaches: "c2" });
 * ```
 */
export async function doesNotReach(
  from: string | undefined,
  target: string,
  { control, reaches, dev, signal }: Control,
): Promise<Finding> {
  const [first, ...controls] = await Promise.all([
    ping(from, target, { seconds: SILENCE_TIME, dev, signal }),
    ping(control, target, { seconds: REPLY_TIMEOUT, signal }),
    ping(from, reaches, { seconds: REPLY_TIMEOUT, signal }),
  ]);
  const isSlow = first.reply === undefined &&
    controls.some(({ reply }) => (reply?.milliseconds ?? 0) > SLOW);
  const result = isSlow ? await ping(from, target, { seconds: REPLY_TIMEOUT, dev, signal }) : first;
  return {
    sentence: `${
      describeNetns(from)
    } reaches ${reaches}, and does not reach ${target}, which answers ${describeNetns(control)}`,
    held: result.reply === undefined && wasTried(result.output) &&
      controls.every(({ reply }) => reply !== undefined),
    evidence: [result, ...controls].map(toEvidence),
  };
}
