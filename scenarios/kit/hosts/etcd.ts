/**
 * etcd in a guest of the lab.
 *
 * @module
 */
import { Daemon } from "../engines/daemon.ts";

/** The endpoint of {@linkcode startEtcdOnRouter}. */
export const ENDPOINTS = "http://192.168.1.1:2379";

/**
 * Starts etcd with one member in the namespace `lab-router`, which has the address 192.168.1.1. At
 * the end of the scope, it and its data go.
 */
export async function startEtcdOnRouter(): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir();
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  undo.use(
    await Daemon.start([
      ...["nsenter", "--net=/run/netns/lab-router"],
      ...["etcd", "--data-dir", `${folder}/data`, "--unsafe-no-fsync", "--logger=zap"],
      ...["--listen-client-urls", ENDPOINTS, "--advertise-client-urls", ENDPOINTS],
      // With SIGTERM, the end takes 8 to 10 seconds.
    ], { ready: /serving client traffic/, signal: "SIGKILL" }),
  );
  const kept = undo.move();
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
