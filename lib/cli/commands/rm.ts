import type { Command } from "../command.ts";
import { forEachName } from "../errors.ts";
import { requireOwn } from "../own.ts";

const command: Command = {
  usage: "[OPTIONS] SANDBOX [SANDBOX...]",
  example: "ipvlan rm --force nginx",
  options: [
    { name: "force", short: "f", help: "kill the processes in it first" },
    { name: "volumes", short: "v", help: "no effect: a sandbox has no volumes" },
    { name: "detach", help: "let the processes in it run on, without a network" },
  ],
  positionals: [1, Infinity],
  changes: true,
  async run(args, context) {
    const busy = args.on("force") ? "kill" : args.on("detach") ? "leave" : "refuse";
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      requireOwn(driver, { sandboxes: [name] });
      await driver.removeSandbox(name, busy);
      if (!context.dryRun) context.print(name);
    });
  },
};
export default command;
