import type { Connection, Driver, SandboxSpec } from "../../driver/mod.ts";
import { invalidOption, IpvlanError, isIpvlanError, throwProblems } from "../../base/errors.ts";
import { type Arguments, type Command, type Context, readOptions } from "../command.ts";
import { unlessRemoved } from "./sandbox.ts";
import { errorLines, requireOwn, usageError } from "../errors.ts";
import { requireNoImage } from "../docker/image.ts";
import {
  ALIAS_OPTIONS,
  ENDPOINT_OPTIONS,
  readEndpoint,
  readPairs,
  readSettings,
  SETTINGS_OPTIONS,
} from "../option_values.ts";
import {
  type Process,
  PROCESS_OPTIONS,
  PROCESS_STATUSES,
  readProcess,
  requireCommand,
  runInside,
  SignalRelay,
} from "../process.ts";
import { thisProgram } from "../../install/program.ts";

/** The sandbox that a command runs in: a new one with connections, or an existing one. */
export type Target = { connections: Connection[]; inside?: undefined } | { inside: string };

const NO_DEFAULT = "no network is there from the start: name one of those that ipvlan network ls " +
  "lists";

/** Docker's predefined networks, which do not exist here. */
const PREDEFINED: Readonly<Record<string, string>> = {
  host: "it is this machine's own network: run the command without ipvlan",
  bridge: NO_DEFAULT,
  default: NO_DEFAULT,
};

/** The keys of `--network name=NETWORK,ip=ADDRESS`. */
const KEYS = "name alias driver-opt gw-priority ip ip6 link-local-ip mac-address route".split(" ");

/** Reads the networks of `run`. Addresses and names in its other options are for the first one. */
export function readTarget(
  networks: readonly string[],
  args: Arguments,
  problems: IpvlanError[],
): Target {
  const first = readEndpoint(args, problems);
  const refuse = (value: string, rule: string) => {
    problems.push(invalidOption("network", value, rule));
  };
  const connections: Connection[] = [];
  for (const [index, text] of networks.entries()) {
    const inside = /^container:(.*)$/.exec(text)?.[1];
    if (networks.length > 1 && (text === "none" || inside !== undefined)) {
      refuse(text, "it does not go with another network");
    } else if (inside !== undefined) {
      return { inside };
    } else if (Object.hasOwn(PREDEFINED, text)) {
      refuse(text, PREDEFINED[text]!);
    } else if (text !== "none") {
      const { network, ...own } = readNetworkOption(text, problems);
      const general = index === 0 ? first : {};
      for (const key of Object.keys(own)) {
        if (key in general && key !== "aliases") {
          refuse(text, "one of its options is given by an option of run too");
        }
      }
      const aliases = [...general.aliases ?? [], ...own.aliases ?? []];
      connections.push({ ...general, ...own, aliases, network });
    }
  }
  return { connections };
}

function readNetworkOption(text: string, problems: IpvlanError[]): Connection {
  if (!text.includes("=")) return { network: text };
  const pairs = text.split(",").map((word) => /^([^=]+)=(.+)$/s.exec(word)?.slice(1) ?? []);
  if (pairs.some(([key = ""]) => !KEYS.includes(key))) {
    const rule = `write KEY=VALUE with commas between them; the keys are ${KEYS.join(", ")}`;
    problems.push(invalidOption("network", text, rule));
    return { network: "" };
  }
  const values = (key: string) => pairs.filter(([each]) => each === key).map(([, value]) => value!);
  const value = (key: string) => values(key).at(-1);
  const options = readEndpoint({ value, values, on: () => false }, problems);
  const network = value("name");
  if (network === undefined) {
    problems.push(invalidOption("network", text, "give its name: name=NETWORK"));
  }
  return { ...options, network: network ?? "" };
}

/** The exit status for an error of ipvlan itself and for a wrong command line, as in Docker. */
const FAILED = 125;

const SANDBOX_OPTIONS = {
  "--name NAME": "the sandbox's name",
  ...ENDPOINT_OPTIONS,
  ...ALIAS_OPTIONS,
  ...SETTINGS_OPTIONS,
  "-l, --label NAME=VALUE...": "a label",
};

async function runInNew(
  driver: Driver,
  spec: SandboxSpec,
  process: Process | undefined,
  args: Arguments,
  relay: SignalRelay,
  { warn, print, dryRun }: Context,
): Promise<number> {
  const { name } = spec;
  const { value: { id }, notices } = await driver.createSandbox(spec);
  notices.forEach(warn);
  if (dryRun) return 0;
  // By its id: meanwhile, another sandbox may get its name.
  const removeIt = () => unlessRemoved(() => driver.withSignal().removeSandbox(id, "kill"));
  if (relay.status !== undefined) {
    await removeIt();
    return relay.status;
  }
  const [detached, remove] = [args.on("detach"), args.on("rm")];
  // In the background, the shell that stores the output runs this at the end.
  const afterwards = remove ? [...thisProgram(), "rm", "--force", id] : [];
  let isStarted = false;
  try {
    const status = process
      ? await runInside(driver, id, process, args, relay, { keepOutput: true, afterwards })
      : 0;
    isStarted = true;
    if (detached) print(name);
    // Another process may have removed it meanwhile.
    else if (!remove) await unlessRemoved(() => Promise.resolve(driver.keepExitStatus(id, status)));
    return status;
  } finally {
    const isInBackground = detached && isStarted && process !== undefined;
    if (remove && !isInBackground) await removeIt();
  }
}

export const run: Command = {
  usage: "[OPTIONS] [--] [COMMAND [WORD...]]",
  example: `ipvlan run --net ipvlan20 --name probe --rm ping -c 1 192.168.20.1
ipvlan run -d --net ipvlan20 --ip 192.168.20.10 --name web -- nginx -g 'daemon off;'`,
  options: {
    "--net NETWORK...":
      "a network to connect to, name=NETWORK,ip=ADDRESS,… for one with options of its own, none, " +
      "or container:SANDBOX; the options on addresses and names are for the first",
    "--network NETWORK...": "the same as --net",
    ...SANDBOX_OPTIONS,
    ...PROCESS_OPTIONS,
    "--rm": "remove the sandbox when the command has ended",
    "--image": "drop the first word, the image of a line for docker",
  },
  statuses: [["125", "an error of ipvlan itself, or a wrong command line"], ...PROCESS_STATUSES],
  misuse: FAILED,
  stopEarly: true,
  changes: true,
  async run(args, context) {
    const { command, open, print, warn, dryRun } = context;
    const networks = [...args.values("net"), ...args.values("network")];
    const detached = args.on("detach");
    const problems: string[] = [];
    // From here on, a signal ends this program only after the sandbox is removed.
    using relay = new SignalRelay();
    try {
      const words = args.on("image") ? args.positionals.slice(1) : args.positionals;
      if (networks.length === 0) problems.push("Missing option: --net NETWORK");
      if (words.length === 0 && !detached) {
        problems.push("Missing argument: COMMAND, or --detach for a sandbox without a command");
      }
      const wrong: IpvlanError[] = [];
      const target = readTarget(networks, args, wrong);
      if (target.inside !== undefined) {
        for (const { name } of readOptions(SANDBOX_OPTIONS)) {
          if (!args.on(name) && args.values(name).length === 0) continue;
          problems.push(
            `The option --${name} does not go with --network container:${target.inside}: ` +
              "that sandbox is there already",
          );
        }
      }
      if (problems.length > 0) throw usageError(command, problems, FAILED);
      const labels = readPairs("label", args.values("label"), false, wrong);
      const settings = readSettings(args, wrong);
      throwProblems(wrong);
      if (words.length > 0) requireNoImage(words, args.value("workdir"));
      // unshare(1) sets the host name of the command.
      if (settings.hostname !== undefined) requireCommand("unshare");
      const process = words.length > 0 ? readProcess(words, args) : undefined;
      await using driver = await open(relay.signal);
      if (target.inside !== undefined) {
        driver.inspectSandbox(target.inside);
        if (dryRun) return 0;
        const status = process ? await runInside(driver, target.inside, process, args, relay) : 0;
        if (detached) print(target.inside);
        return status;
      }
      requireOwn(driver, { networks: target.connections.map(({ network }) => network) });
      const name = args.value("name") ?? `sandbox-${crypto.randomUUID().slice(0, 8)}`;
      const spec = { name, connections: target.connections, labels, ...settings };
      return await runInNew(driver, spec, process, args, relay, context);
    } catch (error) {
      if (!(error instanceof IpvlanError)) throw error;
      (await errorLines(error)).forEach(warn);
      if (relay.signal.aborted) return relay.status!;
      return isIpvlanError(error, "command-unusable") ? error.status : FAILED;
    }
  },
};

export const exec: Command = {
  usage: "[OPTIONS] SANDBOX COMMAND [WORD...]",
  example: "ipvlan exec -it web bash",
  options: PROCESS_OPTIONS,
  statuses: [["1", "an error of ipvlan itself"], ...PROCESS_STATUSES],
  stopEarly: true,
  async run(args, { open, warn }) {
    const [sandbox = "", ...words] = args.positionals;
    using relay = new SignalRelay();
    await using driver = await open();
    // An error about the sandbox comes before one about the command.
    driver.exec(sandbox, words);
    try {
      requireCommand(words[0]!, args.value("workdir"));
      const process = readProcess(words, args);
      return relay.status ?? await runInside(driver, sandbox, process, args, relay);
    } catch (error) {
      if (!isIpvlanError(error, "command-unusable")) throw error;
      warn(error.message);
      return error.status;
    }
  },
};
