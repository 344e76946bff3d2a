import { destroy } from "../../site/mod.ts";
import type { Command } from "../command.ts";
import { change, readSite } from "../site.ts";

const command: Command = {
  usage: "FILE",
  example: "ipvlan destroy web.yaml",
  options: [],
  words: [1, 1],
  changes: true,
  async run(words, context) {
    const { name } = await readSite(words.words[0]!);
    await using driver = await context.open();
    return await change(
      context,
      `Nothing to do: there is nothing of the site "${name}"`,
      (options) => destroy(driver, name, options),
    );
  },
};
export default command;
