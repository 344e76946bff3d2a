/**
 * Runs a job in a Vagrant machine, over ssh.
 *
 * @module
 */
import type { Job } from "../engine.ts";
import { LabError } from "../errors.ts";
import { quoteAll } from "../shell.ts";
import { sshArguments } from "./guest.ts";
import { detached } from "./program.ts";

/** ssh's exit status when the connection fails or breaks. */
const SSH_FAILED = 255;

/** How to run a job over ssh. */
export interface SshRun {
  /** A file with the output of `vagrant ssh-config`. */
  config: string;
  /** The machine's name in that file. */
  machine: string;
  /** The command line, for a shell in the machine, that runs the job. */
  command: string;
  /** The id of the run, as in the command line. */
  id: string;
  /** The path of the job's `share` in the machine, if the job has one. */
  share?: string;
}

/**
 * Runs a job, and copies the files of its `share` back. Resolves to its exit status.
 *
 * @throws {LabError} if the connection breaks.
 */
export async function runOverSsh(
  job: Job,
  { config, machine, command, id, share }: SshRun,
): Promise<number> {
  const terminal = job.interactive ?? false;
  const connect = (command: string, terminal = false) =>
    sshArguments({ config, machine, terminal }, command);
  const child = new Deno.Command("ssh", {
    args: connect(command, terminal),
    stdin: terminal ? "inherit" : "piped",
    detached: detached && !terminal,
  }).spawn();
  // When the input of ssh ends, `guest.sh` kills the command.
  const terminate = () => void (terminal ? child.kill("SIGTERM") : child.stdin.close());
  job.signal.addEventListener("abort", terminate);
  const { code } = await child.status;
  job.signal.removeEventListener("abort", terminate);
  job.signal.throwIfAborted();
  if (!terminal) await child.stdin.close();

  if (code === SSH_FAILED) {
    // `guest.sh` makes this file when the command itself exited with 255.
    const mark = `/run/ipvlan-lab-${id}.255`;
    const args = connect(quoteAll(["sudo", "-n", "rm", mark]));
    const { success } = await new Deno.Command("ssh", { args, stdin: "null" }).output();
    if (!success) throw new LabError("The connection to the virtual machine broke");
  }
  if (job.share !== undefined && share !== undefined) await moveHere(connect, share, job.share);
  return code;
}

/** Moves the files of a folder in the machine to a folder here. */
async function moveHere(
  connect: (command: string) => string[],
  from: string,
  to: string,
): Promise<void> {
  const script = 'tar -C "$0" -cf - . && rm -r "$0"';
  const args = connect(quoteAll(["sudo", "-n", "sh", "-c", script, from]));
  const sender = new Deno.Command("ssh", { args, stdin: "null", stdout: "piped" }).spawn();
  const receiver = new Deno.Command("tar", { args: ["-xf", "-", "-C", to], stdin: "piped" })
    .spawn();
  await sender.stdout.pipeTo(receiver.stdin);
  const [sent, received] = await Promise.all([sender.status, receiver.status]);
  if (!sent.success || !received.success) {
    throw new LabError("Cannot copy the report from the virtual machine; see above");
  }
}
