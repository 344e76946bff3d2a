/**
 * The terminal in front of the lab, for a shell in a guest that does not have it.
 *
 * @module
 */

/** The terminal's size in characters; 24 by 80 when there is none or it does not know. */
export function terminalSize(): { rows: number; columns: number } {
  try {
    const { rows, columns } = Deno.consoleSize();
    return { rows: rows || 24, columns: columns || 80 };
  } catch {
    return { rows: 24, columns: 80 };
  }
}

/**
 * Passes every key on to a guest, Ctrl-C too, and every change of the terminal's size, until it is
 * disposed of.
 *
 * @param keyboard What the guest reads as its terminal.
 * @param sizeFifo A FIFO from which the guest reads a line `ROWS COLUMNS` for each change.
 */
export function useTerminal(keyboard: WritableStream<Uint8Array>, sizeFifo: string): Disposable {
  using undo = new DisposableStack();
  if (Deno.stdin.isTerminal()) {
    Deno.stdin.setRaw(true);
    undo.defer(() => Deno.stdin.setRaw(false));
  }
  // Both wait for what may never come; they end with the lab.
  const gone = new AbortController();
  undo.defer(() => gone.abort());
  type(keyboard, gone.signal).catch(() => {});
  const fifo = Deno.open(sizeFifo, { write: true });
  const tell = async () => {
    const { rows, columns } = terminalSize();
    await (await fifo).write(new TextEncoder().encode(`${rows} ${columns}\n`));
  };
  const resized = () => void tell().catch(() => {});
  // It may have changed while the guest booted.
  resized();
  Deno.addSignalListener("SIGWINCH", resized);
  undo.defer(() => Deno.removeSignalListener("SIGWINCH", resized));
  return undo.move();
}

/** The terminal has one reader for all guests: a read that waits cannot be taken back. */
let keys: ReadableStreamDefaultReader<Uint8Array> | undefined;
/** The read that waits. A guest that has gone leaves it to the next one. */
let next: Promise<ReadableStreamReadResult<Uint8Array>> | undefined;

async function type(keyboard: WritableStream<Uint8Array>, gone: AbortSignal): Promise<void> {
  const writer = keyboard.getWriter();
  keys ??= Deno.stdin.readable.getReader();
  while (true) {
    next ??= keys.read();
    const { value, done } = await next;
    if (gone.aborted) return;
    // The end of a file is no key: to the shell it is Ctrl-D.
    if (done) return await writer.write(new Uint8Array([4]));
    next = undefined;
    await writer.write(value);
  }
}
