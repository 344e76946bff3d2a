import type { Command } from "../command.ts";
import { InvalidOptionError } from "../../driver/errors.ts";
import { ENDPOINT_OPTIONS, readEndpoint } from "../endpoint.ts";
import { UsageError } from "../errors.ts";

const command: Command = {
  usage: "[OPTIONS] NETWORK",
  example: `ipvlan attach ipvlan20 --pid 4711 --name web --ip 192.168.20.10
ipvlan attach ipvlan20 --netns blue`,
  options: [
    { name: "pid", value: "PID", help: "a process whose network namespace it is" },
    { name: "netns", value: "NAME", help: "a namespace by its name, as in ip netns list" },
    { name: "name", value: "NAME", help: "with --pid: the sandbox's name (by default pid-PID)" },
    ...ENDPOINT_OPTIONS,
  ],
  words: [1, 1],
  changes: true,
  async run(words, { command, open, print, warn, dryRun }) {
    const [network = ""] = words.words;
    const pid = words.value("pid");
    const netns = words.value("netns")?.replace(/^(\/var)?\/run\/netns\//, "");
    if ((pid === undefined) === (netns === undefined)) {
      throw new UsageError(command, ["Name one: --pid PID, or --netns NAME"]);
    }
    if (pid !== undefined && !/^[1-9]\d*$/.test(pid)) {
      throw new InvalidOptionError("process id", pid, "give a whole number");
    }
    if (netns?.includes("/")) {
      const rule = "give the name of one in /run/netns, or --pid";
      throw new InvalidOptionError("namespace", netns, rule);
    }
    const name = netns ?? words.value("name") ?? `pid-${pid}`;
    await using driver = await open();
    const connection = { ...readEndpoint(words), network };
    const { notices } = await driver.adoptSandbox(
      name,
      [connection],
      pid === undefined ? undefined : Number(pid),
    );
    notices.forEach(warn);
    if (!dryRun) print(name);
    return 0;
  },
};
export default command;
