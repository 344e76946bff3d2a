/**
 * Tests whether KVM works here. Opening `/dev/kvm` proves too little: on some virtual machines a guest
 * dies or hangs at its first instructions.
 *
 * @module
 */
import { replaceFile } from "../../lib/base/files.ts";
import { cacheFolder } from "../fetch/cache.ts";

const DEVICE = "/dev/kvm";
/** How long a kernel may take to print its first line, in milliseconds. KVM takes far less. */
const BOOT_TIMEOUT = 10_000;

/**
 * Tests whether a kernel prints its first line with KVM. The result is kept in the cache until the
 * machine boots again.
 *
 * @param qemu The command line that runs QEMU, without options.
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
  const known = await Deno.readTextFile(resultFile()).catch(() => "");
  const [boot, works] = known.split("\n");
  if (boot === await bootId()) return works === "works";
  const found = await tryKvm(qemu, kernel, signal);
  signal.throwIfAborted();
  await saveKvmResult(found);
  return found;
}

/** Saves in the cache whether KVM works. */
export async function saveKvmResult(works: boolean): Promise<void> {
  const text = `${await bootId()}\n${works ? "works" : "fails"}\n`;
  try {
    replaceFile(resultFile(), text, 0o644);
  } catch {
    // The next run tests again.
  }
}

function resultFile(): string {
  return `${cacheFolder(Deno.env.toObject())}/kvm`;
}

/** The id of this boot of the machine (random(4)). */
async function bootId(): Promise<string> {
  return (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim();
}

/** Starts a kernel, and waits for its first line. */
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
    signal: AbortSignal.any([signal, AbortSignal.timeout(BOOT_TIMEOUT)]),
  }).spawn();
  let output = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    if (output.includes("Linux version")) break;
  }
  const works = output.includes("Linux version");
  try {
    child.kill("SIGKILL");
  } catch {
    // The process has already ended.
  }
  await child.status;
  return works;
}
