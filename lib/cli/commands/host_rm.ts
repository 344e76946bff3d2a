import { ask, canAsk } from "../ask.ts";
import type { Command } from "../command.ts";
import { ETCD_OPTION, readAccess } from "../etcd.ts";
import { forEachName, UsageError } from "../errors.ts";

export default {
  usage: "[OPTIONS] HOST [HOST...]",
  example: "ipvlan host rm --yes rack3",
  options: [
    { name: "yes", short: "y", help: "do not ask first" },
    { name: "force", short: "f", help: "also one that may run: it must be switched off" },
    ETCD_OPTION,
  ],
  positionals: [1, Infinity],
  asks: true,
  async run(args, context) {
    const { command, open, print, interrupted } = context;
    const access = readAccess(args);
    if (!args.on("yes")) {
      if (!canAsk()) throw new UsageError(command, ["Not a terminal, so cannot ask: use --yes"]);
      const names = args.positionals.join(", ");
      const question = `Free all addresses of ${names}, which must be gone for good?`;
      if (!await ask(question, interrupted)) return 1;
    }
    await using driver = await open();
    return await forEachName(args.positionals, context, async (host) => {
      for (const { id, name, freed } of await driver.removeHost(host, access, args.on("force"))) {
        print(`${name} (${id}): ${freed.length} address(es) are free`);
      }
      (await driver.damagedKeys(access)).forEach(context.warn);
    });
  },
} satisfies Command;
