/** A program that hangs if its arguments match a pattern, so that a test can kill it there. */
export interface HangingProgram extends AsyncDisposable {
  /** A `PATH` that finds this program first. */
  path: string;
  /** Resolves when the program hangs. */
  hangs(): Promise<void>;
}

/** @param pattern The pattern, for `case` of sh(1): `*"-n red "*`. */
export async function hangingProgram(program: string, pattern: string): Promise<HangingProgram> {
  await using undo = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir();
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  const gate = `${folder}/gate`;
  await new Deno.Command("mkfifo", { args: [gate] }).output();
  const text = `#!/bin/sh
PATH=\${PATH#*:}
case "$*" in
  ${pattern}) read -r _ < ${gate} ;;
esac
exec ${program} "$@"
`;
  await Deno.writeTextFile(`${folder}/${program}`, text, { mode: 0o755 });
  const kept = undo.move();
  return {
    path: `${folder}:${Deno.env.get("PATH")}`,
    hangs: async () => {
      // Opening a FIFO for writing waits until a reader has opened it (fifo(7)).
      const writer = await Deno.open(gate, { write: true });
      kept.defer(() => writer.close());
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
