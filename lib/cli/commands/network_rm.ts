import type { Command } from "../command.ts";
import { forEachName } from "../errors.ts";
import { requireOwn } from "../own.ts";
import { unlessError } from "../../base/errors.ts";
import { addressesIn } from "./address.ts";

export default {
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  example: "ipvlan network rm ipvlan20 ipvlan30",
  options: { "-f, --force": "a network that does not exist is no error" },
  changes: true,
  async run(args, context) {
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      requireOwn(driver, { networks: [name] });
      await unlessError(args.on("force") ? ["network-not-found"] : [], async () => {
        const gone = addressesIn(driver.inspectNetwork(name).reservations);
        await driver.removeNetwork(name);
        if (gone !== "") context.warn(`What it reserved is free again: ${gone}`);
        if (!context.dryRun) context.print(name);
      });
    });
  },
} satisfies Command;
