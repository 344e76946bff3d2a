import { stateFolder } from "../../driver/model/state_folder.ts";
import { migrate } from "../../engine/docker/migrate.ts";
import { PLUGIN_NAME } from "../../engine/plugins.ts";
import type { Command } from "../command.ts";

export default {
  usage: "[OPTIONS] NAME",
  example: `ipvlan docker migrate --dry-run db_net
ipvlan docker migrate db_net`,
  options: { "--dry-run": "print the docker lines that it stands for, and do nothing" },
  statuses: [["0", "the plugin has the network"], [
    "1",
    "an error; everything is as before, unless it says so",
  ]],
  changes: true,
  async run({ positionals: [name = ""] }, { open, print, dryRun, interrupted: signal }) {
    await using driver = await open();
    const path = `${stateFolder()}/docker-migrate.json`;
    await migrate(name, { driver, path, signal, dryRun: dryRun ? print : undefined });
    if (!dryRun) print(`The network ${name} is on ${PLUGIN_NAME}`);
  },
} satisfies Command;
