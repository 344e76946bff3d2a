import type { Command } from "../command.ts";
import { NotRunningError, readSignal } from "../end.ts";
import { forEachName } from "../errors.ts";
import { requireOwn } from "../own.ts";

const command: Command = {
  usage: "[OPTIONS] SANDBOX [SANDBOX...]",
  example: "ipvlan kill --signal HUP nginx",
  options: [{ name: "signal", short: "s", value: "SIGNAL", help: "the signal; default KILL" }],
  positionals: [1, Infinity],
  async run(args, context) {
    const signal = readSignal(args.value("signal") ?? "KILL");
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      requireOwn(driver, { sandboxes: [name] });
      if ((await driver.signal(name, signal)).length === 0) throw new NotRunningError(name);
      context.print(name);
    });
  },
};
export default command;
