import type { Command } from "../command.ts";
import { InvalidOptionError } from "../../driver/errors.ts";
import { ENDPOINT_OPTIONS, readEndpoint } from "../endpoint.ts";
import { UsageError } from "../errors.ts";

const command: Command = {
  usage: "[OPTIONS] NETWORK",
  example: `ipvlan attach ipvlan20 --pid 4711 --name web --ip 192.168.20.10
ipvlan attach ipvlan20 --netns blue
ipvlan attach ipvlan20 --netns /run/docker/netns/0a1b2c3d4e5f --name web`,
  options: [
    { name: "pid", value: "PID", help: "a process whose network namespace it is" },
    {
      ...{ name: "netns", value: "NAME|PATH" },
      help: "a namespace by its name, as in ip netns list, or by a file that a process is in",
    },
    {
      ...{ name: "name", value: "NAME" },
      help: "the sandbox's name, where the namespace has none (by default pid-PID)",
    },
    ...ENDPOINT_OPTIONS,
  ],
  words: [1, 1],
  changes: true,
  async run(words, { command, open, print, warn, dryRun }) {
    const [network = ""] = words.words;
    const [typed, netns] = [words.value("pid"), words.value("netns")];
    if ((typed === undefined) === (netns === undefined)) {
      throw new UsageError(command, ["Name one: --pid PID, or --netns NAME|PATH"]);
    }
    const [, found] = /^(?:(?:\/var)?\/run\/netns\/)?([^/]+)$/.exec(netns ?? "") ?? [];
    if (found !== undefined && words.value("name") !== undefined) {
      throw new UsageError(command, [
        `The option --name does not go with --netns ${found}, which is the sandbox's name then`,
      ]);
    }
    if (typed !== undefined && !/^[1-9]\d*$/.test(typed)) {
      throw new InvalidOptionError("process id", typed, "give a whole number");
    }
    await using driver = await open();
    const given = typed ?? /^\/proc\/([1-9]\d*)\/ns\/net$/.exec(netns!)?.[1];
    const pid = found !== undefined
      ? undefined
      : given === undefined
      ? await driver.processAt(netns!)
      : Number(given);
    const name = found ?? words.value("name") ?? `pid-${pid}`;
    const connection = { ...readEndpoint(words), network };
    const { notices } = await driver.adoptSandbox(name, [connection], pid);
    notices.forEach(warn);
    if (!dryRun) print(name);
    return 0;
  },
};
export default command;
