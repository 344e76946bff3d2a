import type { EngineDriver } from "../../driver/mod.ts";
import { PLUGIN_NAME } from "../plugins.ts";

/** The socket at which Docker looks for the plugin. */
export const SOCKET = `/run/docker/plugins/${PLUGIN_NAME}.sock`;

/** The first call of a Docker daemon. */
export const ACTIVATE = "Plugin.Activate";

/** Answers a call with JSON, or throws an error. `notify` gets sentences that no answer can contain. */
export type Handler = (
  driver: EngineDriver,
  body: unknown,
  notify: (sentence: string) => void,
) => Promise<unknown>;

/** The answer to a call without a result. */
export const DONE = {};

/** Handlers by the names of their calls: `NetworkDriver.Join`. */
export type Handlers = Readonly<Record<string, Handler>>;
