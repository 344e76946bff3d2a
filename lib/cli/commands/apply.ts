import { isIpvlanError } from "../../base/errors.ts";
import { quoted } from "../../base/printable.ts";
import { apply, readSite } from "../../site/mod.ts";
import type { Command } from "../command.ts";
import { changeSite, requireCommands, YES } from "../site.ts";

export default {
  usage: "[OPTIONS] FILE",
  example: "ipvlan apply --yes web.yaml",
  options: { ...YES, "--keep": "do not undo the changes if one of them or a check fails" },
  changes: true,
  async run(args, context) {
    const [file = ""] = args.positionals;
    const desired = await readSite(file, context.interrupted);
    requireCommands(desired);
    await using driver = await context.open();
    try {
      await changeSite(
        context,
        args.on("yes"),
        `Nothing to do: everything is as ${quoted(file)} says`,
        (options) => apply(driver, desired, { ...options, keep: args.on("keep") }),
      );
    } catch (error) {
      if (isIpvlanError(error, "checks-failed")) {
        for (const { command, output } of error.findings.flatMap(({ evidence }) => evidence)) {
          context.warn(`$ ${command}`);
          output.split("\n").forEach(context.warn);
        }
      }
      throw error;
    }
  },
} satisfies Command;
