import { throwProblems } from "../../base/errors.ts";
import { CHANGING, NETWORK_OPTIONS, parseDriverOptions } from "../../driver/model/options.ts";
import type { Command } from "../command.ts";
import { usageError } from "../errors.ts";
import { DRIVER_KEYS } from "../network.ts";
import { requireOwn } from "../own.ts";

const NAMES = CHANGING.map((name) => NETWORK_OPTIONS[name].driverOption!);

export default {
  usage: "[OPTIONS] NETWORK",
  example: `ipvlan network update -o mtu=1400 -o host_access=true ipvlan20
ipvlan network update -o mtu= ipvlan20`,
  options: { "-o, --opt NAME=VALUE...": `a new value, or NAME= for none: ${NAMES.join(", ")}` },
  keys: Object.fromEntries(NAMES.map((name) => [name, DRIVER_KEYS[name]!])),
  changes: true,
  async run(args, { command, open, print, warn, dryRun }) {
    const [name = ""] = args.positionals;
    const words = args.values("opt");
    if (words.length === 0) throw usageError(command, ["Missing option: -o NAME=VALUE"]);
    const { options, problems } = parseDriverOptions(words, true);
    throwProblems(problems);
    await using driver = await open();
    requireOwn(driver, { networks: [name] });
    const { value, notices } = await driver.updateNetwork(name, options);
    notices.forEach(warn);
    if (!dryRun) print(value.name);
  },
} satisfies Command;
