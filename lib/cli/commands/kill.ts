import type { Command } from "../command.ts";
import { readSignal } from "../end.ts";
import { forEachName } from "../errors.ts";
import { requireOwn } from "../own.ts";
import { IpvlanError } from "../../base/errors.ts";

export default {
  usage: "[OPTIONS] SANDBOX [SANDBOX...]",
  example: "ipvlan kill --signal HUP nginx",
  options: { "-s, --signal SIGNAL": "the signal; default KILL" },
  async run(args, context) {
    const signal = readSignal(args.value("signal") ?? "KILL");
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      requireOwn(driver, { sandboxes: [name] });
      if ((await driver.signal(name, signal)).length === 0) {
        throw new IpvlanError("not-running", { sandbox: name });
      }
      context.print(name);
    });
  },
} satisfies Command;
