import { Cluster } from "../kit/etcd.ts";

/** An etcd for a file of tests. */
export interface RunningEtcd {
  endpoints: readonly string[];
  /** Ends it when this process is about to end. */
  killNow(): void;
}

/** Starts the etcd of each file of tests: a real one. The unit tests put one in memory here. */
export const etcd: { start: () => Promise<RunningEtcd> } = { start: () => Cluster.start() };
