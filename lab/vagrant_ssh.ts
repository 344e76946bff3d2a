/**
 * One run of a job in a Vagrant machine, over ssh.
 *
 * @module
 */
import type { Job } from "./engine.ts";
import { LabError } from "./errors.ts";
import { quoteAll } from "./shell.ts";
import { sshArguments } from "./vagrant_guest.ts";
import { detached } from "./vagrant_program.ts";

/** ssh's exit status when the connection fails or breaks. */
const SSH_FAILED = 255;

/** How a job runs. */
export interface Run {
  /** The file with what `vagrant ssh-config` says. */
  config: string;
  /** The machine's name in it. */
  machine: string;
  /** The words, for a shell there, that run the job. */
  command: string;
  /** The run's own id, as in the words. */
  id: string;
  /** Where the job's `share` is there, if it has one. */
  share?: string;
}

/**
 * Runs a job, and brings back what it shares. Resolves to its exit status.
 *
 * @throws {LabError} if the connection breaks.
 */
export async function runOverSsh(
  job: Job,
  { config, machine, command, id, share }: Run,
): Promise<number> {
  const terminal = job.command.length === 0;
  const connect = (command: string, terminal = false) =>
    sshArguments({ config, machine, terminal }, command);
  const child = new Deno.Command("ssh", {
    args: connect(command, terminal),
    stdin: terminal ? "inherit" : "piped",
    detached: detached && !terminal,
  }).spawn();
  // The command in the machine is killed when the input of ssh ends there.
  const end = () => void (terminal ? child.kill("SIGTERM") : child.stdin.close());
  job.signal.addEventListener("abort", end);
  const { code } = await child.status;
  job.signal.removeEventListener("abort", end);
  job.signal.throwIfAborted();
  if (!terminal) await child.stdin.close();

  if (code === SSH_FAILED) {
    const mark = `/run/ipvlan-lab-${id}.255`;
    const args = connect(quoteAll(["sudo", "-n", "rm", mark]));
    const { success } = await new Deno.Command("ssh", { args, stdin: "null" }).output();
    if (!success) throw new LabError("The connection to the virtual machine broke");
  }
  if (job.share !== undefined && share !== undefined) await bringBack(connect, share, job.share);
  return code;
}

/** Copies the files of a folder in the machine to one here, and removes that in the machine. */
async function bringBack(
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
    throw new LabError("Cannot bring the report out of the virtual machine; see above");
  }
}
