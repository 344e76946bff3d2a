import type { Command } from "../command.ts";
import { unlessRemoved, waitForEnd } from "../end.ts";
import { forEachName } from "../errors.ts";

export default {
  usage: "SANDBOX [SANDBOX...]",
  example: "ipvlan wait probe",
  async run(args, context) {
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      const { id } = driver.inspectSandbox(name);
      const status = await unlessRemoved(async () => {
        await waitForEnd(driver, id);
        return await driver.exitStatus(id);
      });
      context.print(String(status ?? 0));
    });
  },
} satisfies Command;
