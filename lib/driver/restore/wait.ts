import { LinkMonitor } from "../run/monitor.ts";
import type { Parts } from "../addresses/parts.ts";
import type { RestoreReport } from "../model/types.ts";
import { pause, sayIfLong } from "../../base/waiting.ts";

/** The shortest time between two tries, in milliseconds. */
const RETRY = 500;

/** Restores each time the host's links change, until all is there or the time is up. */
export async function restoreUntil(
  seconds: number,
  { namespaces, wait: { signal, waiting } }: Parts<"namespaces" | "wait">,
  restoreOnce: () => Promise<RestoreReport>,
): Promise<RestoreReport> {
  if (seconds === 0) return await restoreOnce();
  // Started before the first try, so that it misses few links that appear after that.
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
    // The last try is after the deadline, for a link that appeared just before it.
    // An address that another host has now is not waited for.
    if (report.missing.every(({ holder }) => holder !== undefined) || deadline.aborted) {
      return report;
    }
    // A try that fails makes and undoes links, and so may cause the next change itself.
    await pause(RETRY, deadline);
    await links.changed(deadline);
  }
}
