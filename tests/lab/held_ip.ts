/** An `ip` that waits before the first lines that make a namespace or delete a link. */
const SCRIPT = `#!/bin/sh
gate=\${0%/*}/gate
PATH=\${PATH#*:}
case "$*" in
  *-batch*)
    lines=$(cat)
    case $lines in
      *"netns add"* | *"link del"*) [ ! -p "$gate" ] || read -r _ < "$gate" ;;
    esac
    printf '%s\\n' "$lines" | ip "$@"
    ;;
  *) exec ip "$@" ;;
esac
`;

/** An `ip` that stops in the middle of a command, so that something can happen to that just there. */
export interface HeldIp extends AsyncDisposable {
  /** The environment in which it is the `ip`. */
  env: { PATH: string };
  /** Resolves when it waits. */
  waits(): Promise<void>;
  /** Has it go on, and never wait again. */
  goOn(): Promise<void>;
}

/** Makes one. */
export async function heldIp(): Promise<HeldIp> {
  const folder = await Deno.makeTempDir();
  const gate = `${folder}/gate`;
  await Deno.writeTextFile(`${folder}/ip`, SCRIPT, { mode: 0o755 });
  await new Deno.Command("mkfifo", { args: [gate] }).output();
  let writer: Deno.FsFile | undefined;
  return {
    env: { PATH: `${folder}:${Deno.env.get("PATH")}` },
    // To open a pipe for writing waits for who reads it (fifo(7)).
    waits: async () => void (writer = await Deno.open(gate, { write: true })),
    goOn: async () => {
      await Deno.remove(gate);
      writer?.close();
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}
