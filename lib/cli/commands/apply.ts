import { quoted } from "../../printable.ts";
import { apply, ChecksFailedError } from "../../site/mod.ts";
import type { Command } from "../command.ts";
import { changeSite, readSite, requireCommands } from "../site.ts";

const command: Command = {
  usage: "[OPTIONS] FILE",
  example: "ipvlan apply --yes web.yaml",
  options: [
    { name: "yes", short: "y", help: "make also changes that interrupt connectivity" },
    { name: "keep", help: "do not undo the changes if one of them or a check fails" },
  ],
  positionals: [1, 1],
  changes: true,
  async run(args, context) {
    const [file = ""] = args.positionals;
    const desired = await readSite(file);
    requireCommands(desired);
    await using driver = await context.open();
    const choices = { yes: args.on("yes"), keep: args.on("keep") };
    try {
      return await changeSite(
        context,
        `Nothing to do: everything is as ${quoted(file)} says`,
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
