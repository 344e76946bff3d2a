import type { Command } from "../command.ts";
import { ENDPOINT_OPTIONS, readEndpoint } from "../endpoint.ts";
import { UsageError } from "../errors.ts";
import { IpvlanError } from "../../errors.ts";
import {
  CommandError,
  PROCESS_OPTIONS,
  PROCESS_STATUSES,
  requireCommand,
  runInside,
  SignalRelay,
} from "../process.ts";

/** Exit status when it is not the command that failed, or it was asked for wrongly, as Docker has it. */
const FAILED = 125;

const command: Command = {
  usage: "[OPTIONS] [--] [COMMAND [WORD...]]",
  example: `ipvlan run --net ipvlan20 --name probe --rm ping -c 1 192.168.20.1
ipvlan run -d --net ipvlan20 --ip 192.168.20.10 --name web -- nginx -g 'daemon off;'`,
  options: [
    {
      ...{ name: "net", value: "NETWORK", many: true },
      help: "a network to be on; addresses and names are for the first",
    },
    { name: "network", value: "NETWORK", many: true, help: "the same as --net" },
    { name: "name", value: "NAME", help: "the sandbox's name" },
    ...ENDPOINT_OPTIONS,
    ...PROCESS_OPTIONS,
    { name: "rm", help: "remove the sandbox when the command has ended" },
  ],
  words: [0, Infinity],
  statuses: [
    ["125", "ipvlan itself has failed, or the command line is wrong"],
    ...PROCESS_STATUSES,
  ],
  misuse: FAILED,
  stopEarly: true,
  changes: true,
  async run(words, { command, open, print, warn, dryRun }) {
    const networks = [...words.values("net"), ...words.values("network")];
    const detached = words.on("detach");
    const [program] = words.words;
    const problems: string[] = [];
    if (networks.length === 0) problems.push("Something is missing: --net NETWORK");
    if (program === undefined && !detached) {
      problems.push(
        "Something is missing: a COMMAND, or --detach for a sandbox that just is there",
      );
    }
    if (detached && words.on("rm")) {
      problems.push(
        "The options --detach and --rm do not go together, as nobody would be there to",
      );
    }
    if (problems.length > 0) throw new UsageError(command, problems, FAILED);
    const name = words.value("name") ?? `sandbox-${crypto.randomUUID().slice(0, 8)}`;
    // Listened to from here on, so that a signal does not leave a sandbox behind that is to go.
    using relay = new SignalRelay();
    try {
      if (program !== undefined) requireCommand(program, words.value("workdir"));
      await using driver = await open();
      const { notices } = await driver.createSandbox(
        name,
        networks.map((network, index) => index ? { network } : { network, ...readEndpoint(words) }),
      );
      notices.forEach(warn);
      if (dryRun) return 0;
      if (relay.status !== undefined) {
        await driver.removeSandbox(name);
        return relay.status;
      }
      let status = 0;
      try {
        if (program !== undefined) {
          status = await runInside(driver, name, words.words, words, relay);
        }
      } finally {
        if (words.on("rm")) await driver.removeSandbox(name, "kill");
      }
      if (detached) print(name);
      return status;
    } catch (error) {
      if (!(error instanceof IpvlanError)) throw error;
      error.message.split("\n").forEach(warn);
      return error instanceof CommandError ? error.status : FAILED;
    }
  },
};
export default command;
