import type { Command } from "../command.ts";
import {
  PROCESS_OPTIONS,
  PROCESS_STATUSES,
  readProcess,
  requireCommand,
  runInside,
  SignalRelay,
} from "../process.ts";
import { isIpvlanError } from "../../base/errors.ts";

export default {
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
} satisfies Command;
