import { shellLine } from "../../base/printable.ts";
import metadata from "../../../deno.json" with { type: "json" };
import { PLUGIN } from "../../engine/docker/names.ts";
import { Interrupt } from "../../base/signals.ts";
import { makeBundle } from "../../install/bundle_folder.ts";
import type { Command } from "../command.ts";
import { Progress } from "../output.ts";
import { neededVariables } from "../../install/unit.ts";
import { IpvlanError } from "../../base/errors.ts";

export default {
  usage: "DIR",
  example: `ipvlan docker bundle plugin
docker plugin create ipvlan-kit plugin
docker plugin enable ipvlan-kit`,
  async run({ positionals: [folder = ""] }, { print, warn }) {
    using interrupt = new Interrupt({ reason: new IpvlanError("interrupted"), again: Deno.exit });
    const variables = Object.fromEntries(neededVariables(Deno.env.toObject()));
    const stateDir = variables.IPVLAN_STATE_DIR ?? "/var/lib/ipvlan";
    try {
      using progress = new Progress();
      await makeBundle(folder, {
        main: new URL(Deno.mainModule),
        version: metadata.version,
        stateDir,
        step: (sentence) => progress.show(sentence),
        signal: interrupt.signal,
      });
    } catch (error) {
      if (interrupt.status === undefined) throw error;
      warn("It was interrupted");
      return interrupt.status;
    }
    print(folder);
    warn(`Next: mkdir -m 700 -p ${stateDir}`);
    warn(shellLine`Next: docker plugin create ${PLUGIN} ${folder}`);
    warn(`Next: docker plugin enable ${PLUGIN}`);
    // Docker knows a managed plugin by its name and its tag.
    warn(`Then: docker network create -d ${PLUGIN}:latest ...`);
  },
} satisfies Command;
