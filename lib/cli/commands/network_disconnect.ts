import type { Command } from "../command.ts";
import { requireOwn } from "../own.ts";

export default {
  usage: "[OPTIONS] NETWORK SANDBOX",
  example: "ipvlan network disconnect ipvlan20 nginx",
  options: { "-f, --force": "no effect: no sandbox has to be forced" },
  changes: true,
  async run(args, { open }) {
    const [network = "", sandbox = ""] = args.positionals;
    await using driver = await open();
    requireOwn(driver, { networks: [network], sandboxes: [sandbox] });
    await driver.disconnect(network, sandbox);
  },
} satisfies Command;
