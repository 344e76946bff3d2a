import { SandboxNotFoundError } from "../../driver/errors.ts";
import type { Command } from "../command.ts";
import { waitForEnd } from "../end.ts";
import { forEachName } from "../errors.ts";

const command: Command = {
  usage: "SANDBOX [SANDBOX...]",
  example: "ipvlan wait probe",
  options: [],
  positionals: [1, Infinity],
  async run(args, context) {
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      driver.inspectSandbox(name);
      let status: number | undefined;
      try {
        await waitForEnd(driver, name);
        status = await driver.exitStatus(name);
      } catch (error) {
        // It was removed meanwhile, as run -d --rm does.
        if (!(error instanceof SandboxNotFoundError)) throw error;
      }
      context.print(String(status ?? 0));
    });
  },
};
export default command;
