import { UserError } from "../../../lib/base/errors.ts";
import { linkName, netnsName, prefixWord } from "../../../lib/iproute2/words.ts";

/** The router advertisement daemon did not start. */
export class RadvdError extends UserError {
  /** The last line that radvd printed. */
  readonly reason: string;

  /** Makes the error from the last line that radvd printed. */
  constructor(reason: string) {
    super(`Cannot run radvd, which advertises a prefix (${reason}): install the package radvd`);
    this.reason = reason;
  }
}

/**
 * Advertises a prefix on a link of a router (RFC 4861, section 6.2), until it is disposed of.
 *
 * @param lifetime For how many seconds it is a default router; by default it is none.
 * @param netns The router's network namespace. It has to forward IPv6, which radvd requires.
 * @throws {RadvdError} if radvd does not exist, or ends at once. The message says why.
 */
export async function advertise(
  netns: string,
  dev: string,
  prefix: string,
  lifetime = 0,
): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "ipvlan-scenario-" });
  undo.defer(() => Deno.remove(folder, { recursive: true }));
  const config = `interface ${linkName(dev)} {
    AdvSendAdvert on;
    AdvDefaultLifetime ${lifetime};
    prefix ${prefixWord(prefix, "prefix")} {};
  };`;
  await Deno.writeTextFile(`${folder}/radvd.conf`, config);
  const child = new Deno.Command("ip", {
    args: [
      ...["netns", "exec", netnsName(netns), "radvd", "--nodaemon", "--logmethod=stderr"],
      ...[`--config=${folder}/radvd.conf`, `--pidfile=${folder}/radvd.pid`],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  undo.defer(async () => {
    stop(child);
    await child.status;
    await log.cancel();
  });
  let output = "";
  while (!output.includes("started")) {
    const { value, done } = await log.read();
    if (done) throw new RadvdError(output.trim().split("\n").at(-1)!);
    output += value;
  }
  const kept = undo.move();
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function stop(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGTERM");
  } catch {
    // The process has already ended.
  }
}
