import type { Command } from "../command.ts";
import { InvalidOptionError, throwProblems } from "../../driver/errors.ts";
import { parseDriverOptions } from "../../driver/options.ts";
import type { IpvlanError } from "../../errors.ts";
import { nestSubnets } from "../../ipam/nest.ts";
import { readPairs } from "../option_values.ts";

const command: Command = {
  usage: "[OPTIONS] NETWORK",
  example: `ipvlan network create -d ipvlan --subnet=192.168.20.0/24 --gateway=192.168.20.1 \\
    -o parent=eth0.20 ipvlan20`,
  options: [
    { name: "driver", short: "d", value: "DRIVER", help: "the driver: ipvlan" },
    { name: "subnet", value: "PREFIX", many: true, help: "a subnet, of either family" },
    { name: "gateway", value: "ADDRESS", many: true, help: "the gateway of a subnet" },
    { name: "ip-range", value: "PREFIX", many: true, help: "where a subnet's addresses come from" },
    { name: "aux-address", value: "NAME=ADDRESS", many: true, help: "an address not to be given" },
    { name: "internal", help: "cut the network off from everything else" },
    { name: "ipv6", help: "see that the network has IPv6" },
    { name: "label", value: "NAME=VALUE", many: true, help: "a label" },
    {
      ...{ name: "opt", short: "o", value: "NAME=VALUE", many: true },
      help: "an option of the driver: parent, ipvlan_mode, ipvlan_flag, mtu",
    },
  ],
  positionals: [1, 1],
  changes: true,
  async run(args, { open, print, warn, dryRun }) {
    const problems: IpvlanError[] = [];
    const driverName = args.value("driver") ?? "ipvlan";
    if (driverName !== "ipvlan") {
      problems.push(new InvalidOptionError("driver", driverName, "only ipvlan is here"));
    }
    const options = parseDriverOptions(args.values("opt"));
    const aux = readPairs("auxiliary address", args.values("aux-address"), true);
    const labels = readPairs("label", args.values("label"), false);
    const { subnets, problems: misplaced } = nestSubnets(
      args.values("subnet").map((subnet) => ({ subnet })),
      {
        gateways: args.values("gateway"),
        ipRanges: args.values("ip-range"),
        auxAddresses: aux.record,
      },
    );
    problems.push(...options.problems, ...aux.problems, ...labels.problems, ...misplaced);
    await using driver = await open();
    const spec = {
      ...options.spec,
      name: args.positionals[0]!,
      subnets,
      internal: args.on("internal"),
      ipv6: args.on("ipv6"),
      labels: labels.record,
    };
    // The driver's own objections come with those to the words, all at once.
    if (problems.length > 0) throwProblems([...problems, ...await driver.problemsOf(spec)]);
    const { value, notices } = await driver.createNetwork(spec);
    notices.forEach(warn);
    if (!dryRun) print(value.id);
    return 0;
  },
};
export default command;
