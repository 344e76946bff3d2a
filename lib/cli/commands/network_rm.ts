import type { Command } from "../command.ts";
import { forEachName } from "../errors.ts";

const command: Command = {
  usage: "NETWORK [NETWORK...]",
  example: "ipvlan network rm ipvlan20 ipvlan30",
  options: [],
  positionals: [1, Infinity],
  changes: true,
  async run(args, context) {
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      await driver.removeNetwork(name);
      if (!context.dryRun) context.print(name);
    });
  },
};
export default command;
