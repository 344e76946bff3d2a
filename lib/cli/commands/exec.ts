import type { Command } from "../command.ts";
import {
  CommandError,
  PROCESS_OPTIONS,
  PROCESS_STATUSES,
  requireCommand,
  runInside,
  SignalRelay,
} from "../process.ts";

const command: Command = {
  usage: "[OPTIONS] SANDBOX COMMAND [WORD...]",
  example: "ipvlan exec -it web bash",
  options: PROCESS_OPTIONS,
  words: [2, Infinity],
  statuses: [["1", "ipvlan itself has failed"], ...PROCESS_STATUSES],
  stopEarly: true,
  async run(words, { open, warn }) {
    const [sandbox = "", ...typed] = words.words;
    using relay = new SignalRelay();
    await using driver = await open();
    driver.inspectSandbox(sandbox);
    try {
      requireCommand(typed[0]!, words.value("workdir"));
      return relay.status ?? await runInside(driver, sandbox, typed, words, relay);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      warn(error.message);
      return error.status;
    }
  },
};
export default command;
