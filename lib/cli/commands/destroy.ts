import { destroy, readSite } from "../../site/mod.ts";
import { canAsk } from "../ask.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { changeSite, YES } from "../site.ts";

export default {
  usage: "[OPTIONS] FILE",
  example: "ipvlan destroy --yes web.yaml",
  options: [YES],
  positionals: [1, 1],
  changes: true,
  async run(args, context) {
    const site = await readSite(args.positionals[0]!, context.interrupted);
    const yes = args.on("yes");
    if (!yes && !context.dryRun && !canAsk()) {
      throw new UsageError(context.command, ["Not a terminal, so cannot ask: use --yes"]);
    }
    await using driver = await context.open();
    return await changeSite(
      context,
      // What is in no list is asked for.
      yes || [],
      `Nothing to do: the site "${site.name}" has no networks and no sandboxes`,
      (options) => destroy(driver, site, options),
    );
  },
} satisfies Command;
