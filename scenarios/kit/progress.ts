/** Shows a line on a terminal, in place of the one before; an empty one leaves nothing there. */
export function showProgress(line: string): void {
  if (!Deno.stderr.isTerminal()) return;
  const { columns } = Deno.consoleSize();
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${line.slice(0, columns - 1)}`));
}
