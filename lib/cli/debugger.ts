import { constants } from "node:os";
import { warn } from "./output.ts";

/**
 * Keeps SIGUSR1 from opening V8's debugger, by which any user of this machine could run code as this
 * one. From half a second after its start, Deno would open it at 127.0.0.1:9229
 * (https://github.com/denoland/deno/pull/35738), so this is to run first.
 */
export function refuseDebugger(): void {
  if (Deno.build.os !== "linux") return;
  try {
    const { symbols } = Deno.dlopen("libc.so.6", {
      signal: { parameters: ["i32", "pointer"], result: "pointer" },
      abs: { type: "pointer" },
    });
    // Deno sets the kernel's handler once, for its first listener. So this one comes first, and stays.
    Deno.addSignalListener("SIGUSR1", () => {});
    // As a handler, abs(3) does nothing. Programs that are started get the default again (execve(2)),
    // while they would inherit that the signal is ignored or blocked.
    symbols.signal(constants.signals.SIGUSR1, symbols.abs);
  } catch (error) {
    warn(`SIGUSR1 would let any user run code as this one: ${(error as Error).message}`);
  }
}
