import { unlessMissing } from "../../base/files.ts";
import { shellWord } from "../../base/printable.ts";
import { pause } from "../../base/waiting.ts";
import { OUTPUT_LIMIT } from "./output.ts";

/** How often to poll for the process, in milliseconds. */
const PAUSE = 5;

/**
 * A script of sh(1) that runs a command, keeps the end of its output in a folder, and then runs a
 * line. Its arguments: the folder, the line, the folder to start in, and the words of the command.
 *
 * The shells stay in the folder, so they never write into a new folder at the same path. Only the
 * owner can read its files, whatever the umask of the command.
 *
 * In the folder, `pid` gets the process id of the command, before it starts. `log.0` gets the
 * output, then `log.1` and so on; only the last two are kept. `status` gets the exit status of the
 * command. `done` is made when the last process that has the output open has ended. A command whose
 * folder is removed runs on, and its output is dropped.
 */
const KEEP_OUTPUT = `
line=$2 start=$PWD mask=$(umask)
cd "$1" || exit
shift 2
umask 077
{
  # Only the inner shell joins the streams: the outer one may say that a signal has ended it.
  sh -c 'exec 2>&1; echo $$ >pid; umask "$0"; cd "$1" && cd "$2" || exit 126; shift 2; exec "$@"' \
    "$mask" "$start" "$@"
  echo $? >status
} | {
  file=0 size=-1
  while old=$size; size=$(wc -c <"log.$file") && [ "$size" -gt "$old" ]; do
    if [ "$size" -ge ${OUTPUT_LIMIT} ] && true >"log.$((file + 1))"; then
      rm -f "log.$((file - 1))"
      file=$((file + 1)) size=0
    fi
    # One block is what one read(2) brings, so the output is there as soon as it is written.
    dd bs=4096 count=64 >>"log.$file"
  done
  cat >/dev/null
  true >done
}
umask "$mask"
cd "$start"
eval "$line"
`;

/** The options for a command in the background. */
export interface BackgroundOptions {
  /** The folder to start it in; left out, that of this program. */
  cwd?: string;
  /** Variables to add to its environment. */
  env?: Readonly<Record<string, string>>;
  /** Whether to keep the end of its output until the sandbox goes or the next such start. */
  keepOutput?: boolean;
  /** The words of a program that runs when the command has ended. It needs `keepOutput`. */
  afterwards?: readonly string[];
}

/**
 * Starts a command in the background. Resolves when it is in its sandbox, or has ended already.
 * Until then, a call that removes the sandbox would not find it there and would not kill it.
 * @param folder The folder for the output, with an empty file `log.0`; left out, output is dropped.
 * @param signal Kills the process.
 */
export async function startInBackground(
  words: readonly string[],
  { cwd, env = {}, afterwards = [] }: BackgroundOptions,
  folder: string | undefined,
  processes: () => Promise<readonly number[]>,
  signal?: AbortSignal,
): Promise<void> {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const command = variables.length > 0 ? ["env", "--", ...variables, ...words] : words;
  const line = afterwards.map(shellWord).join(" ");
  // The folder to start in and the environment are for the command, not for the line after it.
  const [program, ...args] = folder === undefined
    ? words
    : ["sh", "-c", KEEP_OUTPUT, "sh", folder, line, cwd ?? ".", ...command];
  const child = startApart(program!, args, folder === undefined ? { cwd, env } : {});
  let isOver = false;
  child.status.then(() => isOver = true);
  const hasEnded = () => isOver || (folder !== undefined && read(folder, "status") !== "");
  // `ip netns exec` enters the namespace and then executes the command, with the same process id.
  const pid = () => folder === undefined ? child.pid : Number(read(folder, "pid"));
  try {
    // The kernel does not report that a process has entered a namespace, so we poll.
    while (!hasEnded() && !(await processes()).includes(pid())) {
      signal?.throwIfAborted();
      await pause(PAUSE);
    }
  } catch (error) {
    // Both lead a process group. For `Deno.kill`, a program would need the right to run all programs.
    if (signal?.aborted && !hasEnded()) {
      const args = ["-c", `kill -s KILL -- -${child.pid}`];
      await new Deno.Command("sh", { args, stderr: "null" }).output();
    }
    throw error;
  }
}

/** Starts a program that may outlive this one, without input and output. */
export function startApart(
  program: string,
  args: string[],
  options: Pick<Deno.CommandOptions, "cwd" | "env"> = {},
): Deno.ChildProcess {
  const [stdin, stdout, stderr] = ["null", "null", "null"] as const;
  const command = { ...options, args, stdin, stdout, stderr, detached: true };
  const child = new Deno.Command(program, command).spawn();
  child.unref();
  return child;
}

function read(folder: string, name: string): string {
  return unlessMissing(() => Deno.readTextFileSync(`${folder}/${name}`)) ?? "";
}
