/**
 * Network namespaces without a name, as engines have them.
 *
 * @module
 */

/** A namespace that a process keeps, like that of a container. */
export interface EngineNamespace extends AsyncDisposable {
  /** Its file: `/proc/806/ns/net`. */
  readonly path: string;
  /** Its path as `ip -n` takes it. */
  readonly netns: string;
  /** Runs a program in it. @returns Its output and exit status: `… (0)`. */
  run(...words: string[]): Promise<string>;
  /** Ends the process, and with it the namespace. */
  end(): Promise<void>;
}

/**
 * Makes a namespace that ends with the scope.
 *
 * @param lines The `ip` lines to run in it, after that for the loopback.
 * @throws {Error} A line was refused; `ip` has printed why.
 */
export async function engineNamespace(lines: readonly string[] = []): Promise<EngineNamespace> {
  const batch = ["link set lo up", ...lines].join("\n");
  const script = `ip -batch - <<'end' && echo ready && exec sleep 1000\n${batch}\nend\n`;
  const child = new Deno.Command("unshare", {
    args: ["--net", "sh", "-c", script],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  // The first line comes when the process is in its namespace.
  const { done } = await reader.read();
  await reader.cancel();
  if (done) {
    await child.status;
    throw new Error(`A namespace cannot be made with the lines:\n${batch}`);
  }
  const path = `/proc/${child.pid}/ns/net`;
  const end = async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await child.status;
  };
  return {
    path,
    netns: `../..${path}`,
    run: async (...words) => {
      const command = new Deno.Command("nsenter", { args: [`--net=${path}`, ...words] });
      const { code, stdout, stderr } = await command.output();
      const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      return `${text.trim()} (${code})`.trim();
    },
    end,
    [Symbol.asyncDispose]: end,
  };
}
