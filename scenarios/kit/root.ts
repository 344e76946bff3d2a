import { Ip } from "../../lib/iproute2/ip.ts";
import { SessionClosedError } from "../../lib/iproute2/errors.ts";

/**
 * Runs what has to be done to clean up, in a new session if the one at hand has ended: an interrupt
 * from a terminal goes to every process there, `ip` included.
 */
export async function insist<T>(root: Ip, act: (ip: Ip) => Promise<T>): Promise<T> {
  try {
    return await act(root);
  } catch (error) {
    if (!(error instanceof SessionClosedError)) throw error;
  }
  await using ip = await Ip.open();
  return await act(ip);
}
