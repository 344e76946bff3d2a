import type { Command } from "../command.ts";
import { throwProblems } from "../../base/errors.ts";
import { CREATE_OPTIONS, DRIVER_KEYS, readNetworkSpec } from "../network.ts";

export default {
  usage: "[OPTIONS] NETWORK",
  example: `ipvlan network create -d ipvlan --subnet=192.168.20.0/24 --gateway=192.168.20.1 \\
    -o parent=eth0.20 ipvlan20
ipvlan network create --ipam-driver etcd --ipam-opt endpoints=https://10.0.0.1:2379 \\
    --subnet=192.168.20.0/24 -o parent=eth0.20 shared20`,
  options: CREATE_OPTIONS,
  keys: DRIVER_KEYS,
  changes: true,
  async run(args, { open, print, warn, dryRun }) {
    const { spec, problems } = readNetworkSpec(args.positionals[0]!, args, {
      folder: Deno.cwd(),
      environment: Deno.env.toObject(),
    });
    await using driver = await open();
    // Report problems with the options and problems that the driver finds together.
    if (problems.length > 0) throwProblems([...problems, ...await driver.problemsOf([spec])]);
    const { value, notices } = await driver.createNetwork(spec);
    notices.forEach(warn);
    if (value.isolated && !value.internal) {
      warn(
        `The network "${value.name}" has no parent, so it is isolated, on the dummy link ` +
          `${value.parent}: give it one with -o parent=LINK, or --internal if that is meant`,
      );
    }
    if (!dryRun) print(value.id);
  },
} satisfies Command;
