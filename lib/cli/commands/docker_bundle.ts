import { shellLine } from "../../base/printable.ts";
import metadata from "../../../deno.json" with { type: "json" };
import { PLUGIN_NAME } from "../../engine/plugins.ts";
import { makeBundle } from "../../install/bundle_folder.ts";
import type { Command } from "../command.ts";
import { Progress } from "../output.ts";
import { neededVariables } from "../../install/unit.ts";

export default {
  usage: "DIR",
  example: `ipvlan docker bundle plugin
docker plugin create ipvlan-kit plugin
docker plugin enable ipvlan-kit`,
  asks: true,
  async run({ positionals: [folder = ""] }, { print, warn, interrupted: signal }) {
    const variables = Object.fromEntries(neededVariables(Deno.env.toObject()));
    const stateDir = variables.IPVLAN_STATE_DIR ?? "/var/lib/ipvlan";
    {
      using progress = new Progress();
      const step = (sentence: string) => progress.show(sentence);
      const main = new URL(Deno.mainModule);
      await makeBundle(folder, { main, version: metadata.version, stateDir, step, signal });
    }
    print(folder);
    warn(`Next: mkdir -m 700 -p ${stateDir}`);
    warn(shellLine`Next: docker plugin create ${PLUGIN_NAME} ${folder}`);
    warn(`Next: docker plugin enable ${PLUGIN_NAME}`);
    // Docker knows a managed plugin by its name and its tag.
    warn(`Then: docker network create -d ${PLUGIN_NAME}:latest ...`);
  },
} satisfies Command;
