/**
 * Connects the user's terminal to a shell in a guest.
 *
 * @module
 */

/** The terminal's size in characters; 24 by 80 if there is no terminal or it has no size. */
export function terminalSize(): { rows: number; columns: number } {
  try {
    const { rows, columns } = Deno.consoleSize();
    return { rows: rows || 24, columns: columns || 80 };
  } catch {
    return { rows: 24, columns: 80 };
  }
}

/**
 * Passes every key on to a guest, including Ctrl-C, and every change of the terminal's size, until
 * the result is disposed of.
 *
 * @param keyboard The input of the guest's terminal.
 * @param sizeFifo A FIFO from which the guest reads a line `ROWS COLUMNS` for each change.
 */
export function useTerminal(keyboard: WritableStream<Uint8Array>, sizeFifo: string): Disposable {
  using undo = new DisposableStack();
  if (Deno.stdin.isTerminal()) {
    Deno.stdin.setRaw(true);
    undo.defer(() => Deno.stdin.setRaw(false));
  }
  // The next key, or a reader of the FIFO, may never come, so do not wait for them.
  const guestEnded = new AbortController();
  undo.defer(() => guestEnded.abort());
  passKeys(keyboard, guestEnded.signal).catch(() => {});
  const fifo = Deno.open(sizeFifo, { write: true });
  const writeSize = async () => {
    const { rows, columns } = terminalSize();
    await (await fifo).write(new TextEncoder().encode(`${rows} ${columns}\n`));
  };
  const onResize = () => void writeSize().catch(() => {});
  // The size may have changed while the guest booted.
  onResize();
  Deno.addSignalListener("SIGWINCH", onResize);
  undo.defer(() => Deno.removeSignalListener("SIGWINCH", onResize));
  return undo.move();
}

/** The one reader of the terminal, for all guests: a pending read cannot be cancelled. */
let keys: ReadableStreamDefaultReader<Uint8Array> | undefined;
/** The pending read. If its guest ends, the next guest gets the key. */
let pendingRead: Promise<ReadableStreamReadResult<Uint8Array>> | undefined;

async function passKeys(
  keyboard: WritableStream<Uint8Array>,
  guestEnded: AbortSignal,
): Promise<void> {
  const writer = keyboard.getWriter();
  keys ??= Deno.stdin.readable.getReader();
  while (true) {
    pendingRead ??= keys.read();
    const { value, done } = await pendingRead;
    if (guestEnded.aborted) return;
    // A terminal has no end of file. Its shell ends on Ctrl-D.
    if (done) return await writer.write(new Uint8Array([4]));
    pendingRead = undefined;
    await writer.write(value);
  }
}
