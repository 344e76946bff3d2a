/**
 * The engine `vagrant`: a virtual machine from `lab/Vagrantfile`, for machines that are no Linux.
 *
 * @module
 */
import type { Engine, Probe } from "./engine.ts";
import { LabError } from "./errors.ts";

const NOT_YET = "it is not there yet; choose native or uml with --engine";

/** A Vagrant virtual machine. Only its name is there so far. */
export class VagrantEngine implements Engine {
  /** Its name on the command line. */
  readonly name = "vagrant";

  /** Says that it is not there yet. */
  probe(): Promise<Probe> {
    return Promise.resolve({ ok: false, why: NOT_YET });
  }

  /** Throws. */
  run(): Promise<number> {
    return Promise.reject(new LabError(`The engine vagrant cannot run: ${NOT_YET}`));
  }
}
