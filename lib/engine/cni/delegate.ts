import { resolve } from "node:path";
import { findProgram } from "../../base/files.ts";
import { read, show } from "../../base/reader.ts";
import { parseRequest, readRequest } from "../json.ts";
import type { PluginCall } from "../plugins.ts";
import type { CniCommand } from "./environment.ts";
import { cniError, CODE, ipamFailure, misfitError } from "./errors.ts";
import { type Result, resultReader } from "./result.ts";

/** An IPAM plugin, by its file name, and its input: environment, configuration, working folder. */
export interface Delegate extends Omit<PluginCall, "words"> {
  type: string;
  path: readonly string[];
  /** Gets its standard error. */
  log(printed: Uint8Array): void;
}

/** Runs an IPAM plugin with the input of this one (CNI 1.1, section 4). @throws {"cni"} */
export async function runDelegate(
  { type, path, variables, text, folder, log }: Delegate,
  command: CniCommand,
): Promise<unknown> {
  const folders = path.map((each) => resolve(folder, each));
  const file = findProgram(type, folders);
  if (file === undefined) {
    const sentence = `The IPAM plugin "${type}" is in no folder of CNI_PATH ` +
      `(${folders.join(", ")}): install it there`;
    throw cniError(CODE.ipam, sentence);
  }
  const child = new Deno.Command(file, {
    cwd: folder,
    clearEnv: true,
    env: { ...variables as Record<string, string>, CNI_COMMAND: command },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = readRequest(child.stdout);
  const logged = child.stderr.pipeTo(new WritableStream({ write: log }));
  const writer = child.stdin.getWriter();
  // A plugin may succeed without reading its whole input, which breaks the pipe.
  await writer.write(new TextEncoder().encode(text)).then(() => writer.close()).catch(() => {});
  const [printed, { success, code }] = await Promise.all([output, child.status, logged]);
  const answer = printed.trim() === "" ? { value: undefined } : parseRequest(printed);
  if (success) {
    if ("value" in answer) return answer.value;
    const said = `The IPAM plugin "${type}" printed no JSON: ${show(printed.trim())}`;
    throw cniError(CODE.ipam, said);
  }
  throw ipamFailure(type, code, "value" in answer ? answer.value : undefined);
}

/** Reads the result that an IPAM plugin has printed. @throws {"cni"} It is not valid. */
export function readGiven({ type }: Pick<Delegate, "type">, answer: unknown): Result {
  const { value, misfits } = read(resultReader, answer);
  if (misfits.length === 0) return value;
  const what = `the result of the IPAM plugin "${type}"`;
  const problems = misfits.map(({ path, ...misfit }) =>
    misfitError({ path: [what, ...path], ...misfit }).message
  );
  throw cniError(CODE.ipam, problems.join("; "));
}
