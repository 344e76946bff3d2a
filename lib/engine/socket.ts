// The Unix sockets on which engines call us.
import { lstatOf } from "../base/files.ts";
import { once } from "node:events";
import type { Server } from "node:net";
import { dirname } from "node:path";
import { IpvlanError, isIpvlanError } from "../base/errors.ts";

/** Listens on a socket of systemd, by its descriptor, or on a new one that only root can use. */
export async function listen(server: Server, socket: string | number): Promise<Disposable> {
  if (typeof socket === "number") {
    await started(server, { fd: socket });
    return new DisposableStack();
  }
  try {
    await Deno.mkdir(dirname(socket), { recursive: true, mode: 0o700 });
    await removeStaleSocket(socket);
    // From the first moment on, only root can use the socket.
    const umask = Deno.umask(0o177);
    try {
      await started(server, { path: socket });
    } finally {
      Deno.umask(umask);
    }
  } catch (error) {
    if (isIpvlanError(error, "socket")) throw error;
    const fields = { path: socket, reason: (error as Error).message };
    throw new IpvlanError("socket", fields, { cause: error });
  }
  const { ino } = Deno.lstatSync(socket);
  const stack = new DisposableStack();
  stack.defer(() => {
    // Another server may have put its own socket here.
    if (lstatOf(socket)?.ino === ino) Deno.removeSync(socket);
  });
  return stack;
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
