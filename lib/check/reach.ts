import { evidenceOf, type Finding, who } from "./finding.ts";
import { ping, wasTried } from "./ping.ts";

/** For how long an answer that should come is waited for, in seconds: emulation is slow. */
export const PATIENCE = 5;

/** For how long an answer that should not come is waited for, in seconds. */
export const WINDOW = 1;

/** A control that needed longer than this, in milliseconds, says that {@linkcode WINDOW} is short. */
const SLOW = 300;

/** Who else asks, so that a dead target cannot pass for isolation. */
export interface Control {
  /** The network namespace that the target must answer at the same time; `undefined` for the caller's own. */
  control: string | undefined;
}

/** By which way it is asked. */
export interface Via {
  /**
   * The link to ask on.
   *
   * @default {undefined} The one that the route leads to.
   */
  dev?: string;
}

/**
 * Checks that a target answers a ping: at once if it can, within some seconds if it must.
 *
 * @param from The network namespace to ask from; `undefined` for the caller's own.
 * @param target An address of either family, or a name: inside a namespace the names are those of
 * `/etc/netns/NAME/hosts`, which `ip netns exec` mounts over `/etc/hosts` (ip-netns(8)).
 */
export async function reaches(
  from: string | undefined,
  target: string,
  { dev }: Via = {},
): Promise<Finding> {
  const asked = await ping(from, target, { seconds: PATIENCE, dev });
  return {
    sentence: `${who(from)} reaches ${target}`,
    held: asked.reply !== undefined,
    evidence: [evidenceOf(asked)],
  };
}

/**
 * Checks that a target does not answer a ping for a second, while it does answer the control. A
 * control that waited long for its answer gives the ping a second, longer chance.
 *
 * @param from The network namespace to ask from; `undefined` for the caller's own.
 * @param target As for {@linkcode reaches}.
 */
export async function doesNotReach(
  from: string | undefined,
  target: string,
  { control, dev }: Control & Via,
): Promise<Finding> {
  const [first, other] = await Promise.all([
    ping(from, target, { seconds: WINDOW, dev }),
    ping(control, target, { seconds: PATIENCE }),
  ]);
  const again = first.reply === undefined && (other.reply?.milliseconds ?? 0) > SLOW;
  const asked = again ? await ping(from, target, { seconds: PATIENCE, dev }) : first;
  return {
    sentence: `${who(from)} does not reach ${target}, which answers ${who(control)}`,
    held: asked.reply === undefined && wasTried(asked.output) && other.reply !== undefined,
    evidence: [evidenceOf(asked), evidenceOf(other)],
  };
}
