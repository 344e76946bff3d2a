import type { Command } from "../command.ts";
import { forEachName } from "../errors.ts";
import { requireOwn } from "../own.ts";
import { isIpvlanError } from "../../base/errors.ts";

export default {
  usage: "[OPTIONS] SANDBOX [SANDBOX...]",
  example: "ipvlan rm --force nginx",
  options: {
    "-f, --force": "kill the processes in it first",
    "-v, --volumes": "no effect: a sandbox has no volumes",
    "--detach": "let the processes in it run on, without a network",
  },
  changes: true,
  async run(args, context) {
    const busy = args.on("force") ? "kill" : args.on("detach") ? "leave" : "refuse";
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      requireOwn(driver, { sandboxes: [name] });
      try {
        await driver.removeSandbox(name, busy);
      } catch (error) {
        // As docker rm --force: a sandbox that does not exist is no error.
        if (!(isIpvlanError(error, "sandbox-not-found") && busy === "kill")) throw error;
        return context.warn(error.message);
      }
      if (!context.dryRun) context.print(name);
    });
  },
} satisfies Command;
