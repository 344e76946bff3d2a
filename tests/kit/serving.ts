/**
 * `ipvlan cni serve` and `ipvlan netavark serve` as a process, with the executable of the plugin.
 *
 * @module
 */
import type { Plugin } from "../../lib/engine/plugins.ts";
import { Job, runJob } from "./command.ts";
import { type CommandHost, commandHost, temporaryFolder } from "./worlds.ts";

/** A server that runs. */
export interface Serving extends AsyncDisposable {
  host: CommandHost;
  /** The executable of the plugin. */
  program: string;
  server: Job;
  /** Starts another server. */
  start(): Promise<Job>;
}

/** Starts the server of a plugin, with a line in its log for each call. @param env More variables. */
export async function serving(
  { command }: Plugin,
  env: Record<string, string> = {},
): Promise<Serving> {
  await using undo = new AsyncDisposableStack();
  const host = undo.use(await commandHost());
  const folder = undo.use(await temporaryFolder());
  const { out: program } = await runJob([command, "install", folder.path]);
  const start = async () => {
    const job = new Job([command, "serve", "--verbose"], { env });
    await job.line(/Listening at/);
    return job;
  };
  const server = undo.use(await start());
  const kept = undo.move();
  return { host, program, server, start, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
