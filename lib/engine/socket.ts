// The Unix sockets on which engines call us.
import { lstatOf } from "../base/files.ts";
import { once } from "node:events";
import type { Server } from "node:net";
import { dirname } from "node:path";
import { IpvlanError, isIpvlanError } from "../base/errors.ts";

export interface Serving {
  /** The path of the socket to make, or the file descriptor of one that systemd has made. */
  socket: string | number;
  listening: () => void;
  /** Ends the server: it accepts no more calls, and answers those that it has accepted. */
  signal: AbortSignal;
}

/** Accepts calls until the signal. @throws {"socket"} The socket cannot be made. */
export async function accept(
  server: Server,
  { socket, listening, signal }: Serving,
): Promise<void> {
  const made = typeof socket === "number"
    ? await started(server, { fd: socket })
    : await listenAt(server, socket);
  listening();
  if (!signal.aborted) await once(signal, "abort");
  server.close();
  // Another server may have put its own socket here.
  if (made && lstatOf(made.path)?.ino === made.ino) Deno.removeSync(made.path);
}

/** Listens on a new socket that only root can use. Resolves to its path and inode. */
async function listenAt(server: Server, path: string) {
  try {
    await Deno.mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await removeStaleSocket(path);
    // From the first moment on, only root can use the socket.
    const umask = Deno.umask(0o177);
    try {
      await started(server, { path });
    } finally {
      Deno.umask(umask);
    }
    return { path, ino: Deno.lstatSync(path).ino };
  } catch (error) {
    if (isIpvlanError(error, "socket")) throw error;
    throw new IpvlanError("socket", { path, reason: (error as Error).message }, { cause: error });
  }
}

export function socketName(socket: string | number): string {
  return typeof socket === "number" ? "the socket of systemd" : socket;
}

async function started(server: Server, where: { fd: number } | { path: string }): Promise<void> {
  const listening = once(server, "listening");
  server.listen(where);
  await listening;
}

/** Removes the socket of a server that was killed. @throws {"socket"} Something else is there. */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatOf(path);
  if (!found) return;
  if (!found.isSocket) {
    throw new IpvlanError("socket", { path, reason: "something else has this name" });
  }
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
    return await Deno.remove(path);
  }
  throw new IpvlanError("socket", { path, reason: "another program listens there: end it first" });
}
