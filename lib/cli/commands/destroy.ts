import { destroy, readSite } from "../../site/mod.ts";
import type { Command } from "../command.ts";
import { changeSite, YES } from "../site.ts";

export default {
  usage: "[OPTIONS] FILE",
  example: "ipvlan destroy web.yaml",
  options: [YES],
  positionals: [1, 1],
  changes: true,
  async run(args, context) {
    const site = await readSite(args.positionals[0]!, context.interrupted);
    await using driver = await context.open();
    return await changeSite(
      context,
      args.on("yes"),
      `Nothing to do: the site "${site.name}" has no networks and no sandboxes`,
      (options) => destroy(driver, site, options),
    );
  },
} satisfies Command;
