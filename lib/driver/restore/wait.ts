import { LinkMonitor } from "../run/monitor.ts";
import type { Parts } from "../addresses/parts.ts";
import type { RestoreReport } from "../model/types.ts";
import { pause, sayIfLong } from "../../base/waiting.ts";

/** How long to wait at least before the next try, in milliseconds. */
const RETRY = 500;

/** Restores, and again when the host's links change, until all is there or the time is up. */
export async function restoreUntil(
  seconds: number,
  { namespaces, wait: { signal, waiting } }: Parts<"namespaces" | "wait">,
  restoreOnce: () => Promise<RestoreReport>,
): Promise<RestoreReport> {
  if (seconds === 0) return await restoreOnce();
  // Started before the first try, so that it misses few of the links that appear after it.
  await using links = new LinkMonitor(namespaces.hostName);
  const time = AbortSignal.timeout(seconds * 1000);
  const deadline = signal ? AbortSignal.any([time, signal]) : time;
  let report: RestoreReport | undefined;
  using _notice = sayIfLong(waiting, () => {
    const [first, ...others] = report?.missing ?? [];
    const more = others.length > 0 ? ` and ${others.length} more` : "";
    return first ? `Waiting to restore the ${first.kind} "${first.name}"${more}` : "Restoring";
  });
  for (;;) {
    report = await restoreOnce();
    // After the deadline there is one last try, for a link that appeared just before.
    // What another host has by now is not waited for.
    if (report.missing.every(({ holder }) => holder !== undefined) || deadline.aborted) {
      return report;
    }
    // What fails is made and undone, so that a try may itself be the next change.
    await pause(RETRY, deadline);
    await links.changed(deadline);
  }
}
