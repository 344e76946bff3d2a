import type { Command } from "../command.ts";
import { eachOf } from "../each.ts";

const command: Command = {
  usage: "SANDBOX [SANDBOX...]",
  example: "ipvlan inspect nginx",
  options: [],
  words: [1, Infinity],
  async run(words, context) {
    await using driver = await context.open();
    const shown: unknown[] = [];
    const status = await eachOf(words.words, context, (name) => {
      shown.push(driver.inspectSandbox(name));
    });
    context.print(JSON.stringify(shown, null, 4));
    return status;
  },
};
export default command;
