import { IpvlanError } from "../errors.ts";

/** The command line is wrong. Nothing was done. */
export class UsageError extends IpvlanError {
  /** The command, as it is typed: `ipvlan network create`. */
  readonly command: string;
  /** The exit status. */
  readonly status: number;

  /** Makes the error from the command and all that is wrong, one problem per line. */
  constructor(command: string, problems: readonly string[], status = 2) {
    super([...problems, `See "${command} --help"`].join("\n"));
    this.command = command;
    this.status = status;
  }
}
