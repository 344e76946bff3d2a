import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";

const command: Command = {
  usage: "[OPTIONS]",
  example: "ipvlan network prune --force",
  options: [{ name: "force", short: "f", help: "do not ask first" }],
  words: [0, 0],
  changes: true,
  async run(words, { command, open, print, dryRun }) {
    if (!words.on("force") && !dryRun) {
      if (!Deno.stdin.isTerminal()) {
        throw new UsageError(command, ["There is no terminal to ask at: say --force"]);
      }
      if (!confirm("Remove all networks that nothing is connected to?")) return 0;
    }
    await using driver = await open();
    const removed = await driver.pruneNetworks();
    if (!dryRun && removed.length > 0) print(["Deleted Networks:", ...removed].join("\n"));
    return 0;
  },
};
export default command;
