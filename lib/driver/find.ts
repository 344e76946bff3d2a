import { HalfDoneError, NetworkNotFoundError, SandboxNotFoundError } from "./errors.ts";
import { isReady, type Store, withoutState } from "./store.ts";
import type { Network, Sandbox } from "./types.ts";

/**
 * A network by its name, its id, or the beginning of its id, as long as that is no other's.
 *
 * @throws {NetworkNotFoundError} There is none.
 * @throws {HalfDoneError} It is being made or removed, or was when a call was cut short.
 */
export function findNetwork(store: Store, name: string): Network {
  const byId = () =>
    store.networks().filter(({ id }) => /^[0-9a-f]{2}/.test(name) && id.startsWith(name));
  const network = store.network(name) ?? (byId().length === 1 ? byId()[0] : undefined);
  if (!network) throw new NetworkNotFoundError(name, store.networks().map(({ name }) => name));
  if (!isReady(network)) throw new HalfDoneError(`network "${network.name}"`);
  return withoutState(network);
}

/**
 * A sandbox by its name.
 *
 * @throws {SandboxNotFoundError} There is none.
 * @throws {HalfDoneError} It is being made or removed, or was when a call was cut short.
 */
export function findSandbox(store: Store, name: string): Sandbox {
  const sandbox = store.sandbox(name);
  if (!sandbox) throw sandboxNotFound(store, name);
  if (!isReady(sandbox)) throw new HalfDoneError(`sandbox "${name}"`);
  return withoutState(sandbox);
}

/** The error that there is no sandbox of a name. */
export function sandboxNotFound(store: Store, name: string): SandboxNotFoundError {
  return new SandboxNotFoundError(name, store.sandboxes().map(({ name }) => name));
}
