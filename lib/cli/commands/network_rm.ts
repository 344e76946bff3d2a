import type { Command } from "../command.ts";
import { eachOf } from "../each.ts";

const command: Command = {
  usage: "NETWORK [NETWORK...]",
  example: "ipvlan network rm ipvlan20 ipvlan30",
  options: [],
  words: [1, Infinity],
  changes: true,
  async run(words, context) {
    await using driver = await context.open();
    return await eachOf(words.words, context, async (name) => {
      await driver.removeNetwork(name);
      if (!context.dryRun) context.print(name);
    });
  },
};
export default command;
