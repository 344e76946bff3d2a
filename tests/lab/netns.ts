import { Ip } from "../../lib/iproute2/ip.ts";

/** What a program run in a {@linkcode FreshNetns} left: its exit status and what it printed. */
export interface Ran {
  /** The exit status. */
  code: number;
  /** What it printed on standard output. */
  stdout: string;
  /** What it printed on standard error. */
  stderr: string;
}

/** A network namespace of a test's own, deleted when it goes out of scope. */
export interface FreshNetns extends AsyncDisposable {
  /** Its name under `/run/netns`. */
  readonly name: string;
  /** `ip` in it. */
  readonly ip: Ip;
  /** Runs a program in it to its end. */
  run(program: string, ...args: string[]): Promise<Ran>;
}

/**
 * Makes a network namespace that no other test has, with `lo` still down.
 *
 * @example
 * ```ts no-assert ignore
 * await using ns = await freshNetns();
 * await ns.ip.link.add({ type: "dummy", name: "d0", up: true });
 * ```
 */
export async function freshNetns(): Promise<FreshNetns> {
  await using undo = new AsyncDisposableStack();
  const host = undo.use(await Ip.open());
  const name = `test-${crypto.randomUUID().slice(0, 8)}`;
  await host.netns.add(name);
  undo.defer(() => host.netns.del(name));
  const ip = undo.use(await Ip.open({ netns: name }));
  const kept = undo.move();
  return {
    name,
    ip,
    run: (...command) => run("ip", "netns", "exec", name, ...command),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Runs a program to its end, without input. */
export async function run(program: string, ...args: string[]): Promise<Ran> {
  const output = await new Deno.Command(program, { args, stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}
