import { destroy } from "../../site/mod.ts";
import type { Command } from "../command.ts";
import { changeSite, readSite } from "../site.ts";

const command: Command = {
  usage: "FILE",
  example: "ipvlan destroy web.yaml",
  options: [],
  positionals: [1, 1],
  changes: true,
  async run(args, context) {
    const { name } = await readSite(args.positionals[0]!);
    await using driver = await context.open();
    return await changeSite(
      context,
      `Nothing to do: the site "${name}" has no networks and no sandboxes`,
      (options) => destroy(driver, name, options),
    );
  },
};
export default command;
