import { apply, ChecksFailedError } from "../../site/mod.ts";
import type { Command } from "../command.ts";
import { change, readSite, requireCommands } from "../site.ts";

const command: Command = {
  usage: "[OPTIONS] FILE",
  example: "ipvlan apply --yes web.yaml",
  options: [
    { name: "yes", short: "y", help: "also make changes that cost connectivity" },
    { name: "keep", help: "keep what was done where something fails or a check does not hold" },
  ],
  words: [1, 1],
  changes: true,
  async run(words, context) {
    const [file = ""] = words.words;
    const desired = await readSite(file);
    requireCommands(desired);
    await using driver = await context.open();
    const choices = { yes: words.on("yes"), keep: words.on("keep") };
    try {
      return await change(
        context,
        `Nothing to do: everything is as ${file} says`,
        (options) => apply(driver, desired, { ...options, ...choices }),
      );
    } catch (error) {
      if (error instanceof ChecksFailedError) {
        for (const { command, output } of error.findings.flatMap(({ evidence }) => evidence)) {
          context.warn(`$ ${command}`);
          output.split("\n").forEach(context.warn);
        }
      }
      throw error;
    }
  },
};
export default command;
