import { invalidOption, type IpvlanError, throwProblems } from "../../base/errors.ts";
import { quoted } from "../../base/printable.ts";
import type { Command } from "../command.ts";
import { ENDPOINT_OPTIONS, readEndpoint } from "../option_values.ts";
import { requireOwn, usageError } from "../errors.ts";

export default {
  usage: "[OPTIONS] NETWORK",
  example: `ipvlan attach ipvlan20 --pid 4711 --name web --ip 192.168.20.10
ipvlan attach ipvlan20 --netns blue
ipvlan attach ipvlan20 --netns /run/docker/netns/0a1b2c3d4e5f --name web`,
  options: {
    "--pid PID": "a process in the namespace",
    "--netns NAME|PATH":
      "the namespace: a name from ip netns list, or a file, if a process is in it",
    "--name NAME": "a name for the sandbox, if the namespace has none; default pid-PID",
    ...ENDPOINT_OPTIONS,
  },
  changes: true,
  async run(args, { command, open, print, warn, dryRun }) {
    const [network = ""] = args.positionals;
    const [typedPid, netns] = [args.value("pid"), args.value("netns")];
    if ((typedPid === undefined) === (netns === undefined)) {
      throw usageError(command, ["Give one of these options: --pid PID, --netns NAME|PATH"]);
    }
    const [, netnsName] = /^(?:(?:\/var)?\/run\/netns\/)?([^/]+)$/.exec(netns ?? "") ?? [];
    if (netnsName !== undefined && args.value("name") !== undefined) {
      throw usageError(command, [
        `The option --name does not go with --netns ${quoted(netnsName)}: the sandbox has the ` +
        "name of its namespace",
      ]);
    }
    if (typedPid !== undefined && !/^[1-9]\d*$/.test(typedPid)) {
      throw invalidOption("process id", typedPid, "give a whole number");
    }
    const problems: IpvlanError[] = [];
    const options = readEndpoint(args, problems);
    throwProblems(problems);
    await using driver = await open();
    requireOwn(driver, { networks: [network] });
    const givenPid = typedPid ?? /^\/proc\/([1-9]\d*)\/ns\/net$/.exec(netns!)?.[1];
    const pid = netnsName !== undefined
      ? undefined
      : givenPid === undefined
      ? await driver.processAt(netns!)
      : Number(givenPid);
    const name = netnsName ?? args.value("name") ?? `pid-${pid}`;
    const connection = { ...options, network };
    const { notices } = await driver.adoptSandbox({ name, connections: [connection], pid });
    notices.forEach(warn);
    if (!dryRun) print(name);
  },
} satisfies Command;
