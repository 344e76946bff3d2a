import { type Command, readOptions } from "../command.ts";
import { requireOwn } from "../own.ts";

export default {
  usage: "[OPTIONS] NETWORK SANDBOX",
  example: "ipvlan network disconnect ipvlan20 nginx",
  options: readOptions({ "-f, --force": "no effect: no sandbox has to be forced" }),
  positionals: [2, 2],
  changes: true,
  async run(args, { open }) {
    const [network = "", sandbox = ""] = args.positionals;
    await using driver = await open();
    requireOwn(driver, { networks: [network], sandboxes: [sandbox] });
    await driver.disconnect(network, sandbox);
    return 0;
  },
} satisfies Command;
