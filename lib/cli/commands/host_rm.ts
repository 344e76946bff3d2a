import { agrees } from "../ask.ts";
import type { Command } from "../command.ts";
import { ETCD_OPTION, readAccess } from "../etcd.ts";
import { forEachName } from "../errors.ts";

export default {
  usage: "[OPTIONS] HOST [HOST...]",
  example: "ipvlan host rm --yes rack3",
  options: {
    "-y, --yes": "do not ask first",
    "-f, --force": "also a host that may still run: switch it off first",
    ...ETCD_OPTION,
  },
  asks: true,
  async run(args, context) {
    const { open, print } = context;
    const access = readAccess(args);
    const names = args.positionals.join(", ");
    const question = `Free all addresses of ${names}, which must be gone for good?`;
    if (!await agrees(args, context, "yes", question)) return 1;
    await using driver = await open();
    return await forEachName(args.positionals, context, async (host) => {
      for (const { id, name, freed } of await driver.removeHost(host, access, args.on("force"))) {
        print(`${name} (${id}): ${freed.length} address(es) are free`);
      }
      (await driver.damagedKeys(access)).forEach(context.warn);
    });
  },
} satisfies Command;
