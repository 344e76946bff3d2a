/**
 * Shows a line of progress on the terminal, in place of the line before. An empty line removes it.
 * Does nothing if standard error is not a terminal.
 */
export function showProgress(line: string): void {
  if (!Deno.stderr.isTerminal()) return;
  const { columns } = Deno.consoleSize();
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${line.slice(0, columns - 1)}`));
}
