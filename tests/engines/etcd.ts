/**
 * etcd for tests in a guest of the lab.
 *
 * @module
 */
import { Daemon } from "../../scenarios/kit/engines/daemon.ts";

/** Its endpoint. */
export const ENDPOINT = "http://127.0.0.1:2379";

/** Starts etcd with its data in a folder, until it is disposed of. */
export async function startEtcd(folder: string): Promise<Daemon> {
  const command = ["etcd", "--data-dir", `${folder}/data`, "--unsafe-no-fsync", "--logger=zap"];
  return await Daemon.start(command, {
    ready: /serving (insecure )?client/,
    // SIGTERM takes 8 to 10 seconds.
    signal: "SIGKILL",
  });
}
