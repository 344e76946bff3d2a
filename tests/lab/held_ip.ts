/** What an `ip` does that waits before the first lines that make a namespace or delete a link. */
const BEFORE = `
lines=$(cat)
case $lines in
  *"netns add"* | *"link del"*) [ ! -p "$gate" ] || read -r _ < "$gate" ;;
esac
printf '%s\\n' "$lines" | ip "$@"
`;

/** What an `ip` does that waits when all lines are done, before it ends. */
const BEHIND = `
ip "$@"
status=$?
[ ! -p "$gate" ] || read -r _ < "$gate"
exit $status
`;

const script = (batch: string) =>
  `#!/bin/sh
gate=\${0%/*}/gate
PATH=\${PATH#*:}
case "$*" in *-batch*) ;; *) exec ip "$@" ;; esac
${batch.trim()}
`;

/** An `ip` that stops in the middle of a command, so that something can happen to that just there. */
export interface HeldIp extends AsyncDisposable {
  /** The environment in which it is the `ip`. */
  env: { PATH: string };
  /** Has it wait from now on. */
  hold(): void;
  /** Resolves when it waits. */
  waits(): Promise<void>;
  /** Has it go on, and wait no more. */
  goOn(): Promise<void>;
}

/** Makes one, which does not wait yet. */
export async function heldIp(where: "before" | "behind"): Promise<HeldIp> {
  const folder = await Deno.makeTempDir();
  const gate = `${folder}/gate`;
  const text = script(where === "before" ? BEFORE : BEHIND);
  await Deno.writeTextFile(`${folder}/ip`, text, { mode: 0o755 });
  let writer: Deno.FsFile | undefined;
  return {
    env: { PATH: `${folder}:${Deno.env.get("PATH")}` },
    hold: () => void new Deno.Command("mkfifo", { args: [gate] }).outputSync(),
    // To open a pipe for writing waits for who reads it (fifo(7)).
    waits: async () => void (writer = await Deno.open(gate, { write: true })),
    goOn: async () => {
      await Deno.remove(gate);
      writer?.close();
    },
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}
