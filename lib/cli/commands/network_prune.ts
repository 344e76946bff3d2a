import { isOwned } from "../../driver/model/names.ts";
import { agrees } from "../ask.ts";
import type { Command } from "../command.ts";
import { readPruneFilter } from "../docker/filter.ts";

export default {
  usage: "[OPTIONS]",
  example: "ipvlan network prune --force",
  options: {
    "-f, --force": "do not ask first",
    "--filter KEY=VALUE...":
      "remove only those with this label, without it (label!=), or made until=TIME",
  },
  changes: true,
  async run(args, context) {
    const { open, print, warn, dryRun } = context;
    const matches = readPruneFilter(args.values("filter"), Date.now());
    const question = "Remove all networks that no sandbox is connected to?";
    if (!await agrees(args, context, "force", question)) return 0;
    await using driver = await open();
    const { removed, failed } = await driver.pruneNetworks((network) =>
      !isOwned(network.name) && matches(network)
    );
    if (!dryRun && removed.length > 0) print(["Deleted Networks:", ...removed].join("\n"));
    for (const { name, error } of failed) {
      warn(`The network "${name}" could not be removed: ${error.message}`);
    }
    return failed.length > 0 ? 1 : 0;
  },
} satisfies Command;
