import type { Command } from "../command.ts";
import { lastingProgram } from "../../install/program.ts";
import { systemdUnit } from "../../install/unit.ts";
import { restoreSentences } from "../../driver/model/types.ts";
import { invalidOption } from "../../base/errors.ts";

function readSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (seconds <= 86_400) return seconds;
  throw invalidOption("wait", text, "give a number of seconds, up to a day (86400)");
}

export default {
  usage: "[OPTIONS]",
  example: `ipvlan restore --wait 60
ipvlan restore --print-unit > /etc/systemd/system/ipvlan.service`,
  options: {
    "--wait SECONDS": "how long to wait for parents that come up late",
    "--print-unit": "print a systemd unit that restores at boot, and do nothing else",
    "--json": "print the report as JSON",
  },
  statuses: [["0", "everything is there"], ["1", "something could not be restored"]],
  changes: true,
  async run(args, { open, print, warn, dryRun }) {
    if (args.on("print-unit")) {
      print(systemdUnit(lastingProgram(), Deno.env.toObject()));
      return 0;
    }
    const seconds = readSeconds(args.value("wait") ?? "0");
    await using driver = await open();
    const report = await driver.restore(dryRun ? 0 : seconds);
    if (args.on("json")) print(JSON.stringify(report, null, 4));
    else {
      restoreSentences(report).forEach(warn);
      const { networks, sandboxes } = report;
      if (!dryRun) {
        print(`${networks.length} network(s) and ${sandboxes.length} sandbox(es) are there`);
      }
    }
    return report.missing.length > 0 ? 1 : 0;
  },
} satisfies Command;
