/**
 * The engine `qemu`: a kernel as a distribution ships it, in a virtual machine without any image,
 * on this machine's own files. It needs no root; without KVM, QEMU emulates the processor.
 *
 * @module
 */
import { ownCodename } from "./apt.ts";
import type { Engine, Job, Probe, Wish } from "./engine.ts";
import { type Attempt, attemptOf, LabError, MissingError, StartError } from "./errors.ts";
import type { FetchOptions } from "./fetch.ts";
import { missingModules } from "./guest_boot.ts";
import { type Guest, runGuest } from "./guest_run.ts";
import { findTools, type GuestTools } from "./guest_tools.ts";
import { DEBIAN_KERNELS, type KernelChoice, kindOfFile } from "./kernels.ts";
import { kvmWorks, noteKvm } from "./kvm.ts";
import {
  assertPrograms,
  availableMemory,
  COMFORTABLE_MEMORY,
  LEAST_MEMORY,
  MEMORY,
} from "./machine.ts";
import { type Accelerator, QEMU_DEVICES, qemuCommand } from "./qemu_boot.ts";
import { debianKernel, fileKernel, findQemu, type QemuKernel } from "./qemu_files.ts";
import { withRunFolder } from "./run_folder.ts";

/** All that it takes to boot. */
interface Ready {
  qemu: string[];
  tools: GuestTools;
  kernel: QemuKernel;
  accelerator: Accelerator;
}

/** QEMU with a kernel of Debian's, or one of the user's. */
export class QemuEngine implements Engine {
  /** Its name on the command line. */
  readonly name = "qemu";
  readonly #say: (line: string) => void;
  #ready: Ready | undefined;

  /** Makes the engine; `say` gets a line now and then when something takes long. */
  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Finds out whether it can run here; fetches what is missing. */
  async probe({ modules, kernel: choice, signal }: Wish): Promise<Probe> {
    try {
      if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
        throw new MissingError(
          `this engine is for Linux on x86-64, and this is ${Deno.build.target}`,
          "choose another engine with --engine",
        );
      }
      if (choice?.kind === "file" && kindOfFile(choice.path) !== "bzImage") {
        throw new LabError(`${choice.path} is no kernel that QEMU boots`);
      }
      assertPrograms(["setpriv", "setsid", "flock", "mkfifo"], "install util-linux and coreutils");
      chooseMemory(await availableMemory(), 1);
      const options = { say: this.#say, signal };
      const qemu = await findQemu(options);
      const { tools } = await findTools([], options);
      const kernel = await findKernel(choice, tools, options);
      const missing = missingModules(kernel.list, modules);
      if (missing.length > 0) {
        throw new LabError(`Linux ${kernel.release} has no module ${missing.join(", ")}`);
      }
      const accelerator = await kvmWorks(qemu, kernel.kernel, signal) ? "kvm" : "tcg";
      this.#ready = { qemu, tools, kernel, accelerator };
      return { ok: true, what: nameOf(this.#ready) };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      return { ok: false, attempts: [attemptOf(this.name, error)] };
    }
  }

  /** As many as there is memory for. */
  async atMost(wanted: number): Promise<number> {
    const room = Math.floor(await availableMemory() * 3 / 4 / COMFORTABLE_MEMORY);
    return Math.max(1, Math.min(wanted, room));
  }

  /**
   * Boots the kernel, runs the job in it, and waits until it is gone. A guest that dies with KVM
   * before the first line of the job is started again without.
   */
  async run(job: Job): Promise<number> {
    const failed: Attempt[] = [];
    while (this.#ready) {
      const ready = this.#ready;
      try {
        return await boot(job, ready);
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        // Of several jobs, the first one goes on without KVM for all.
        if (this.#ready !== ready) continue;
        failed.push(...error.attempts);
        if (ready.accelerator === "tcg") break;
        this.#ready = { ...ready, accelerator: "tcg" };
        await noteKvm(false);
        this.#say(
          `${error.attempts.map(({ name, why }) => `${name}: ${why}`)}; trying without KVM`,
        );
      }
    }
    throw new StartError(failed);
  }
}

/** The kernel that is asked for, or else that of the machine's own release, or of the stable one. */
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

async function boot(job: Job, ready: Ready): Promise<number> {
  const { qemu, tools, kernel, accelerator } = ready;
  const memory = chooseMemory(await availableMemory(), job.beside ?? 1);
  const guest: Guest = {
    engine: "qemu",
    name: nameOf(ready),
    modules: kernel.modules,
    // They are in the initrd.
    overlayModules: [],
    ...tools,
    devices: QEMU_DEVICES,
    advice: kernel.advice,
    command: (start) => qemuCommand(qemu, { accelerator, ...kernel, memory }, start),
  };
  return await withRunFolder((run) => runGuest(job, guest, run));
}

/** Chooses the memory of each of several guests, in MiB. */
function chooseMemory(available: number, guests: number): number {
  const memory = Math.min(MEMORY, Math.floor(available * 3 / 4 / guests));
  if (memory >= LEAST_MEMORY) return memory;
  throw new MissingError(
    `There is no room for the guest's memory (${available} MiB are free)`,
    `${Math.ceil(LEAST_MEMORY * 4 / 3)} MiB are needed`,
  );
}

function nameOf({ kernel, accelerator }: Pick<Ready, "kernel" | "accelerator">): string {
  return `Linux ${kernel.release}, QEMU ${accelerator === "kvm" ? "with KVM" : "without KVM"}`;
}
