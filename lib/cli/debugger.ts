import { warn } from "./output.ts";

/** The number of the signal, on every processor that Deno runs on (signal(7)). */
const SIGUSR1 = 10;

/**
 * Keeps SIGUSR1 from opening V8's debugger at 127.0.0.1:9229, through which any user of this
 * machine could run code as this one. Call it first: Deno listens for SIGUSR1 from half a second
 * after its start (https://github.com/denoland/deno/pull/35738).
 */
export function refuseDebugger(): void {
  if (Deno.build.os !== "linux") return;
  try {
    const { symbols } = Deno.dlopen("libc.so.6", {
      signal: { parameters: ["i32", "pointer"], result: "pointer" },
      abs: { type: "pointer" },
    });
    // Deno sets the kernel's handler once, for its first listener: so add a listener, and keep it.
    Deno.addSignalListener("SIGUSR1", () => {});
    // As a handler, abs(3) does nothing. We cannot ignore or block the signal: child processes
    // would inherit that, while execve(2) resets a handler.
    symbols.signal(SIGUSR1, symbols.abs);
  } catch (error) {
    warn(`SIGUSR1 would let any user run code as this one: ${(error as Error).message}`);
  }
}
