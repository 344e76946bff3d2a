import { type IpvlanError, throwProblems } from "../../base/errors.ts";
import type { Command } from "../command.ts";
import { ENDPOINT_OPTIONS, readEndpoint } from "../option_values.ts";
import { requireOwn } from "../own.ts";

export default {
  usage: "[OPTIONS] NETWORK SANDBOX",
  example: "ipvlan network connect --ip 192.168.20.10 --alias web ipvlan20 nginx",
  options: {
    ...ENDPOINT_OPTIONS,
    "--gw-priority NUMBER":
      "the sandbox's network with the highest number has the default route; by default 0",
  },
  changes: true,
  async run(args, { open, warn }) {
    const [network = "", sandbox = ""] = args.positionals;
    const problems: IpvlanError[] = [];
    const options = readEndpoint(args, problems);
    throwProblems(problems);
    await using driver = await open();
    requireOwn(driver, { networks: [network], sandboxes: [sandbox] });
    const { notices } = await driver.connect(network, sandbox, options);
    notices.forEach(warn);
  },
} satisfies Command;
