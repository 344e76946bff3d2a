import { InvalidOptionError, throwProblems } from "../../driver/errors.ts";
import type { Command } from "../command.ts";
import { readPriority } from "../connections.ts";
import { ENDPOINT_OPTIONS, readEndpoint } from "../option_values.ts";
import { requireOwn } from "../own.ts";

const command: Command = {
  usage: "[OPTIONS] NETWORK SANDBOX",
  example: "ipvlan network connect --ip 192.168.20.10 --alias web ipvlan20 nginx",
  options: [
    ...ENDPOINT_OPTIONS,
    {
      name: "gw-priority",
      value: "NUMBER",
      help: "at most 0: the default route is that of the sandbox's first network",
    },
  ],
  positionals: [2, 2],
  changes: true,
  async run(args, { open, warn }) {
    const [network = "", sandbox = ""] = args.positionals;
    const { options, problems } = readEndpoint(args);
    const { priority, problems: wrong } = readPriority(args.value("gw-priority") ?? "0");
    if (priority > 0) {
      wrong.push(
        new InvalidOptionError(
          "gw-priority",
          String(priority),
          "the default route is that of the sandbox's first network: give the priority to run, " +
            "--network name=NETWORK,gw-priority=1, or disconnect the other networks first",
        ),
      );
    }
    throwProblems([...problems, ...wrong]);
    await using driver = await open();
    requireOwn(driver, { networks: [network], sandboxes: [sandbox] });
    const { notices } = await driver.connect(network, sandbox, options);
    notices.forEach(warn);
    return 0;
  },
};
export default command;
