/**
 * Whether KVM works here. A device that opens is not enough: on some virtual machines a guest dies,
 * or stands still, at its first instructions.
 *
 * @module
 */
import { cacheFolder } from "./cache.ts";

const DEVICE = "/dev/kvm";
/** How long a kernel may take to its first word, in milliseconds: with KVM it is a fraction of it. */
const PATIENCE = 10_000;

/**
 * Whether a kernel says its first word with KVM. It is tried once, and remembered until the machine
 * boots again.
 *
 * @param qemu The words that run QEMU.
 * @param kernel A `bzImage`.
 */
export async function kvmWorks(
  qemu: readonly string[],
  kernel: string,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    Deno.openSync(DEVICE, { read: true, write: true }).close();
  } catch {
    return false;
  }
  const known = await Deno.readTextFile(noteFile()).catch(() => "");
  const [boot, works] = known.split("\n");
  if (boot === await bootId()) return works === "works";
  const found = await tryKvm(qemu, kernel, signal);
  signal.throwIfAborted();
  await noteKvm(found);
  return found;
}

/** Remembers whether KVM works. */
export async function noteKvm(works: boolean): Promise<void> {
  // Who cannot write there tries again each time.
  await Deno.writeTextFile(noteFile(), `${await bootId()}\n${works ? "works" : "fails"}\n`)
    .catch(() => {});
}

function noteFile(): string {
  return `${cacheFolder(Deno.env.toObject())}/kvm`;
}

/** What names this boot of the machine (random(4)). */
async function bootId(): Promise<string> {
  return (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim();
}

/** Starts a kernel, and waits for its first word. */
async function tryKvm(
  qemu: readonly string[],
  kernel: string,
  signal: AbortSignal,
): Promise<boolean> {
  const child = new Deno.Command("setpriv", {
    args: [
      ...["--pdeathsig", "KILL", ...qemu],
      ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "q35"],
      ...["-accel", "kvm", "-cpu", "host", "-m", "256", "-kernel", kernel],
      ...["-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1", "-serial", "stdio"],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]),
  }).spawn();
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (said.includes("Linux version")) break;
  }
  const works = said.includes("Linux version");
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
  await child.status;
  return works;
}
