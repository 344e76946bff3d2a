import { destroy, readSite } from "../../site/mod.ts";
import { agrees } from "../ask.ts";
import type { Command } from "../command.ts";
import { changeSite, YES } from "../site.ts";

export default {
  usage: "[OPTIONS] FILE",
  example: "ipvlan destroy --yes web.yaml",
  options: YES,
  changes: true,
  async run(args, context) {
    const site = await readSite(args.positionals[0]!, context.interrupted);
    const question = `Remove everything that the site "${site.name}" has made?`;
    if (!await agrees(args, context, "yes", question)) return 1;
    await using driver = await context.open();
    await changeSite(
      context,
      args.on("yes"),
      `Nothing to do: the site "${site.name}" has no networks and no sandboxes`,
      (options) => destroy(driver, site, options),
    );
  },
} satisfies Command;
