import type { Command } from "../command.ts";
import { InvalidOptionError } from "../../driver/errors.ts";
import { systemdUnit, thisProgram } from "../unit.ts";

const command: Command = {
  usage: "[OPTIONS]",
  example: `ipvlan restore --wait 60
ipvlan restore --print-unit > /etc/systemd/system/ipvlan.service`,
  options: [
    { name: "wait", value: "SECONDS", help: "wait so long for parents that come up late" },
    { name: "print-unit", help: "print a systemd unit that restores at boot, and do nothing else" },
    { name: "json", help: "print the report as JSON" },
  ],
  words: [0, 0],
  statuses: [["0", "everything is there"], ["1", "something could not be restored"]],
  changes: true,
  async run(words, { open, print, warn, dryRun, interrupted }) {
    if (words.on("print-unit")) {
      print(systemdUnit(thisProgram(), Deno.env.toObject()));
      return 0;
    }
    const seconds = Number(words.value("wait") ?? 0);
    if (!(seconds >= 0 && seconds <= 86_400)) {
      const rule = "give a number of seconds, up to a day";
      throw new InvalidOptionError("wait", words.value("wait")!, rule);
    }
    await using driver = await open();
    const report = await driver.restore(dryRun ? 0 : seconds, interrupted);
    if (words.on("json")) print(JSON.stringify(report, null, 4));
    else {
      for (const line of report.undone) warn(line);
      for (const { kind, name, reason } of report.missing) {
        warn(`The ${kind} "${name}" could not be restored: ${reason}`);
      }
      const count = (names: readonly string[], what: string) => `${names.length} ${what}`;
      if (!dryRun) {
        print(
          `${count(report.networks, "network(s)")} and ${
            count(report.sandboxes, "sandbox(es)")
          } are there`,
        );
      }
    }
    return report.missing.length > 0 ? 1 : 0;
  },
};
export default command;
