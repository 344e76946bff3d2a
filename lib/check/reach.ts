import { describeNetns, type Finding, toEvidence } from "./finding.ts";
import { ping, wasTried } from "./ping.ts";

/** How long to wait for an answer that should come, in seconds. Emulated machines are slow. */
export const REPLY_TIMEOUT = 5;

/** How long to wait for an answer that should not come, in seconds. */
export const SILENCE_TIME = 1;

/**
 * If the control's answer takes longer than this, in milliseconds, {@linkcode SILENCE_TIME} is too
 * short to be sure.
 */
const SLOW = 300;

/** The control of a check: it proves that the target is alive and not only silent. */
export interface Control {
  /** The namespace that the target has to answer at the same time; `undefined` for the caller's own. */
  control: string | undefined;
}

/** The way that a ping takes. */
export interface Via {
  /**
   * The link to send on.
   *
   * @default {undefined} The link of the route.
   */
  dev?: string;
}

/**
 * Checks that a target answers a ping within 5 seconds. Resolves at the first answer.
 *
 * @param from The network namespace to ping from; `undefined` for the caller's own.
 * @param target An address of either family, or a name. The names of a namespace are those in
 * `/etc/netns/NAME/hosts`, which `ip netns exec` mounts over `/etc/hosts` (ip-netns(8)).
 */
export async function reaches(
  from: string | undefined,
  target: string,
  { dev }: Via = {},
): Promise<Finding> {
  const result = await ping(from, target, { seconds: REPLY_TIMEOUT, dev });
  return {
    sentence: `${describeNetns(from)} reaches ${target}`,
    held: result.reply !== undefined,
    evidence: [toEvidence(result)],
  };
}

/**
 * Checks that a target does not answer a ping for a second, while it answers the control. If the
 * control's answer is slow, the target gets a second, longer chance.
 *
 * @param from The network namespace to ping from; `undefined` for the caller's own.
 * @param target As for {@linkcode reaches}.
 */
export async function doesNotReach(
  from: string | undefined,
  target: string,
  { control, dev }: Control & Via,
): Promise<Finding> {
  const [first, controlResult] = await Promise.all([
    ping(from, target, { seconds: SILENCE_TIME, dev }),
    ping(control, target, { seconds: REPLY_TIMEOUT }),
  ]);
  const isSlow = first.reply === undefined && (controlResult.reply?.milliseconds ?? 0) > SLOW;
  const result = isSlow ? await ping(from, target, { seconds: REPLY_TIMEOUT, dev }) : first;
  return {
    sentence: `${describeNetns(from)} does not reach ${target}, which answers ${
      describeNetns(control)
    }`,
    held: result.reply === undefined && wasTried(result.output) &&
      controlResult.reply !== undefined,
    evidence: [toEvidence(result), toEvidence(controlResult)],
  };
}
