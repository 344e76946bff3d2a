/**
 * The engine `uml`: User-Mode Linux, a whole kernel as one ordinary process, on the machine's own
 * files. It needs no root, no KVM and no image.
 *
 * @module
 */
import type { Engine, Job, Probe } from "./engine.ts";
import { LabError, MissingError } from "./errors.ts";
import { assertPrograms, availableMemory, chooseMemory, memoryPlaces } from "./machine.ts";
import { withRunFolder } from "./run_folder.ts";
import { findUmlFiles, type UmlFiles } from "./uml_files.ts";
import { runUml } from "./uml_run.ts";

/** User-Mode Linux. */
export class UmlEngine implements Engine {
  /** Its name on the command line. */
  readonly name = "uml";
  readonly #say: (line: string) => void;
  #files: UmlFiles | undefined;

  /** Makes the engine; `say` gets a line now and then when something takes long. */
  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Finds out whether it can run here; fetches what is missing. */
  async probe(): Promise<Probe> {
    try {
      const { release } = await this.#find();
      chooseMemory(await memoryPlaces(), await availableMemory());
      return { ok: true, why: `Linux ${release}, User-Mode Linux` };
    } catch (error) {
      if (error instanceof LabError) return { ok: false, why: error.message };
      throw error;
    }
  }

  /** Boots the kernel, runs the job in it, and waits until it is gone. */
  async run(job: Job): Promise<number> {
    const files = await this.#find();
    return await withRunFolder((run) => runUml(job, files, run));
  }

  async #find(): Promise<UmlFiles> {
    if (this.#files) return this.#files;
    if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
      throw new MissingError(
        `User-Mode Linux is for Linux on x86-64, and this is ${Deno.build.target}`,
        "choose another engine with --engine",
      );
    }
    assertPrograms(["setpriv", "setsid", "taskset", "mkfifo"], "install util-linux and coreutils");
    return this.#files = await findUmlFiles(this.#say);
  }
}
