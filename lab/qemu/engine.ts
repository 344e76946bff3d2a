/**
 * The engine `qemu`: a kernel as a distribution ships it, in a virtual machine. The machine has no
 * disk image; it runs on this machine's own files. It needs no root. Without KVM, QEMU emulates the
 * processor.
 *
 * @module
 */
import { ownCodename } from "../fetch/apt.ts";
import type { Engine, Job, Probe, Requirements } from "../engine.ts";
import { type Attempt, LabError, makeAttempt, MissingError, StartError } from "../errors.ts";
import type { FetchOptions } from "../fetch/fetch.ts";
import { missingModules } from "../guest/boot.ts";
import { type Guest, runGuest } from "../guest/run.ts";
import { findTools, type GuestTools } from "../guest/tools.ts";
import { DEBIAN_KERNELS, type KernelChoice, kindOfFile } from "../kernels.ts";
import { kvmWorks, saveKvmResult } from "./kvm.ts";
import {
  assertPrograms,
  availableMemory,
  COMFORTABLE_MEMORY,
  LEAST_MEMORY,
  MEMORY,
} from "../machine.ts";
import { type Accelerator, QEMU_DEVICES, qemuCommand } from "./boot.ts";
import { debianKernel, fileKernel, findQemu, type QemuKernel } from "./files.ts";
import { withRunFolder } from "../run_folder.ts";

/** Everything that QEMU needs to boot a guest. */
interface BootSetup {
  qemu: string[];
  tools: GuestTools;
  kernel: QemuKernel;
  accelerator: Accelerator;
}

/** QEMU with a kernel of Debian, or with the user's own. */
export class QemuEngine implements Engine {
  /** Its name on the command line. */
  readonly name = "qemu";
  readonly #say: (line: string) => void;
  #setup: BootSetup | undefined;

  /** Makes the engine. `say` prints a line about the progress of something slow. */
  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Tests whether it can run here. Fetches missing programs and kernels. */
  async probe({ modules, kernel: choice, programs, signal }: Requirements): Promise<Probe> {
    try {
      if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
        throw new MissingError(
          `this engine is for Linux on x86-64, and this is ${Deno.build.target}`,
          "choose another engine with --engine",
        );
      }
      if (choice?.kind === "file" && kindOfFile(choice.path) !== "bzImage") {
        throw new LabError(`${choice.path} is not a bzImage, the kind of kernel that QEMU boots`);
      }
      assertPrograms(["setpriv", "setsid", "flock", "mkfifo"], "install util-linux and coreutils");
      chooseMemory(await availableMemory(), 1, programs?.memory);
      const options = { say: this.#say, signal };
      const qemu = await findQemu(options);
      const { tools } = await findTools([], options);
      const kernel = await findKernel(choice, tools, options);
      const missing = missingModules(kernel.list, modules);
      if (missing.length > 0) {
        throw new LabError(`Linux ${kernel.release} has no module ${missing.join(", ")}`);
      }
      const accelerator = await kvmWorks(qemu, kernel.kernel, signal) ? "kvm" : "tcg";
      this.#setup = { qemu, tools, kernel, accelerator };
      return { ok: true, what: nameOf(this.#setup) };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      return { ok: false, attempts: [makeAttempt(this.name, error)] };
    }
  }

  /** As many as fit into memory. */
  async maxJobs(wanted: number): Promise<number> {
    const room = Math.floor(await availableMemory() * 3 / 4 / COMFORTABLE_MEMORY);
    return Math.max(1, Math.min(wanted, room));
  }

  /**
   * Boots the kernel, runs the job in it, and waits until the guest is gone. If a guest with KVM dies
   * before the job begins, it starts again without KVM.
   */
  async run(job: Job): Promise<number> {
    const failed: Attempt[] = [];
    while (this.#setup) {
      const setup = this.#setup;
      try {
        return await boot(job, setup);
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        // Another job has already turned KVM off for all.
        if (this.#setup !== setup) continue;
        failed.push(...error.attempts);
        if (setup.accelerator === "tcg") break;
        this.#setup = { ...setup, accelerator: "tcg" };
        await saveKvmResult(false);
        this.#say(
          `${error.attempts.map(({ name, why }) => `${name}: ${why}`)}; trying without KVM`,
        );
      }
    }
    throw new StartError(failed);
  }
}

/** The chosen kernel, or else that of the machine's own release, or else that of Debian 13. */
function findKernel(
  choice: KernelChoice | undefined,
  tools: GuestTools,
  options: FetchOptions,
): Promise<QemuKernel> {
  if (choice?.kind === "file") return fileKernel(choice, tools, options);
  const codename = ownCodename();
  const kernel = choice?.kernel ?? DEBIAN_KERNELS.find(({ release }) => release === codename) ??
    DEBIAN_KERNELS.find(({ release }) => release === "trixie")!;
  return debianKernel(kernel.release, tools, options);
}

async function boot(job: Job, setup: BootSetup): Promise<number> {
  const { qemu, tools, kernel, accelerator } = setup;
  const available = await availableMemory();
  const memory = chooseMemory(available, job.jobsAtOnce ?? 1, job.programs?.memory);
  const guest: Guest = {
    engine: "qemu",
    name: nameOf(setup),
    modules: kernel.modules,
    // The initrd has loaded them.
    overlayModules: [],
    ...tools,
    wireModules: ["virtio_net"],
    devices: QEMU_DEVICES,
    advice: kernel.advice,
    command: (start) => qemuCommand(qemu, { accelerator, ...kernel, memory }, start),
  };
  return await withRunFolder((run) => runGuest(job, guest, run));
}

/** Chooses the memory of each of several guests, in MiB. */
function chooseMemory(available: number, guests: number, least: number = LEAST_MEMORY): number {
  const memory = Math.min(MEMORY, Math.floor(available * 3 / 4 / guests));
  if (memory >= least) return memory;
  throw new MissingError(
    `There is no room for the guest's memory (${available} MiB are free)`,
    `${Math.ceil(least * 4 / 3)} MiB are needed`,
  );
}

function nameOf({ kernel, accelerator }: Pick<BootSetup, "kernel" | "accelerator">): string {
  return `Linux ${kernel.release}, QEMU ${accelerator === "kvm" ? "with KVM" : "without KVM"}`;
}
