import type { Command } from "../command.ts";
import { eachOf } from "../each.ts";

const command: Command = {
  usage: "[OPTIONS] SANDBOX [SANDBOX...]",
  example: "ipvlan rm --force nginx",
  options: [
    { name: "force", short: "f", help: "end the processes in it first" },
    { name: "detach", help: "leave the processes in it, without its networks" },
  ],
  words: [1, Infinity],
  changes: true,
  async run(words, context) {
    const busy = words.on("force") ? "kill" : words.on("detach") ? "leave" : "refuse";
    await using driver = await context.open();
    return await eachOf(words.words, context, async (name) => {
      await driver.removeSandbox(name, busy);
      if (!context.dryRun) context.print(name);
    });
  },
};
export default command;
