import type { Command } from "../command.ts";
import { forEachName } from "../errors.ts";

const command: Command = {
  usage: "SANDBOX [SANDBOX...]",
  example: "ipvlan inspect nginx",
  options: [],
  positionals: [1, Infinity],
  async run(args, context) {
    await using driver = await context.open();
    const found: unknown[] = [];
    const status = await forEachName(args.positionals, context, (name) => {
      found.push(driver.inspectSandbox(name));
    });
    context.print(JSON.stringify(found, null, 4));
    return status;
  },
};
export default command;
