import { IpvlanError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { errorLines, UsageError } from "../errors.ts";
import { ignoresImage, requireNoImage } from "../image.ts";
import { ENDPOINT_OPTIONS, readEndpoint } from "../option_values.ts";
import {
  CommandError,
  PROCESS_OPTIONS,
  PROCESS_STATUSES,
  runInside,
  SignalRelay,
} from "../process.ts";

/** The exit status for an error of ipvlan itself and for a wrong command line, as in Docker. */
const FAILED = 125;

const command: Command = {
  usage: "[OPTIONS] [--] [COMMAND [WORD...]]",
  example: `ipvlan run --net ipvlan20 --name probe --rm ping -c 1 192.168.20.1
ipvlan run -d --net ipvlan20 --ip 192.168.20.10 --name web -- nginx -g 'daemon off;'`,
  options: [
    {
      name: "net",
      value: "NETWORK",
      many: true,
      help: "a network to connect to; the options on addresses and names are for the first",
    },
    { name: "network", value: "NETWORK", many: true, help: "the same as --net" },
    { name: "name", value: "NAME", help: "the sandbox's name" },
    ...ENDPOINT_OPTIONS,
    ...PROCESS_OPTIONS,
    { name: "rm", help: "remove the sandbox when the command has ended" },
    { name: "image", help: "drop the first word, the image of a line for docker" },
  ],
  positionals: [0, Infinity],
  statuses: [
    ["125", "an error of ipvlan itself, or a wrong command line"],
    ...PROCESS_STATUSES,
  ],
  misuse: FAILED,
  stopEarly: true,
  changes: true,
  async run(args, { command, open, print, warn, dryRun }) {
    const networks = [...args.values("net"), ...args.values("network")];
    const detached = args.on("detach");
    const words = ignoresImage(args.on("image")) ? args.positionals.slice(1) : args.positionals;
    const [program] = words;
    const problems: string[] = [];
    if (networks.length === 0) problems.push("Missing option: --net NETWORK");
    if (program === undefined && !detached) {
      problems.push("Missing argument: COMMAND, or --detach for a sandbox without a command");
    }
    if (detached && args.on("rm")) {
      problems.push(
        "The options --detach and --rm do not go together: ipvlan does not stay to remove the " +
          "sandbox",
      );
    }
    if (problems.length > 0) throw new UsageError(command, problems, FAILED);
    const name = args.value("name") ?? `sandbox-${crypto.randomUUID().slice(0, 8)}`;
    // From here on, a signal does not end this program before it has removed the sandbox.
    using relay = new SignalRelay();
    try {
      if (program !== undefined) requireNoImage(words, args.value("workdir"));
      await using driver = await open(relay.signal);
      const { notices } = await driver.createSandbox({
        name,
        connections: networks.map((network, index) =>
          index ? { network } : { network, ...readEndpoint(args) }
        ),
      });
      notices.forEach(warn);
      if (dryRun) return 0;
      if (relay.status !== undefined) {
        await driver.withSignal().removeSandbox(name);
        return relay.status;
      }
      let status = 0;
      try {
        if (program !== undefined) {
          status = await runInside(driver, name, words, args, relay);
        }
      } finally {
        if (args.on("rm")) await driver.removeSandbox(name, "kill");
      }
      if (detached) print(name);
      return status;
    } catch (error) {
      if (!(error instanceof IpvlanError)) throw error;
      errorLines(error).forEach(warn);
      if (relay.signal.aborted) return relay.status!;
      return error instanceof CommandError ? error.status : FAILED;
    }
  },
};
export default command;
