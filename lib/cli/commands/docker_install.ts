import { PLUGIN, SOCKET } from "../../engine/docker/mod.ts";
import { IpvlanError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { dockerUnits, thisProgram } from "../unit.ts";

/** Where an administrator's units are (systemd.unit(5)). */
const FOLDER = "/etc/systemd/system";

/** A file cannot be written. */
class UnwritableError extends IpvlanError {
  /** Makes the error from the file's path and the reason that the system gave. */
  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`The file "${path}" cannot be written: ${reason}`, options);
  }
}

const command: Command = {
  usage: "[OPTIONS]",
  example: `ipvlan docker install
systemctl daemon-reload
systemctl enable --now ipvlan-docker.socket ipvlan-docker.service`,
  options: [{ name: "print-unit", help: "print the units, and do nothing else" }],
  positionals: [0, 0],
  async run(args, { print, warn }) {
    const units = Object.entries(dockerUnits(thisProgram(), Deno.env.toObject(), SOCKET))
      .map(([name, text]) => ({ name, path: `${FOLDER}/${name}`, text }));
    if (args.on("print-unit")) {
      print(units.map(({ path, text }) => `# ${path}\n${text}`).join("\n\n"));
      return 0;
    }
    for (const { path, text } of units) {
      try {
        await Deno.writeTextFile(path, `${text}\n`, { mode: 0o644 });
      } catch (error) {
        throw new UnwritableError(path, (error as Error).message, { cause: error });
      }
      print(path);
    }
    warn("Next: systemctl daemon-reload");
    warn(`Next: systemctl enable --now ${units.map(({ name }) => name).toReversed().join(" ")}`);
    warn(`Then: docker network create -d ${PLUGIN} ...`);
    return 0;
  },
};
export default command;
