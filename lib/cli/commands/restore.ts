// The commands that bring back what a restart or a lost parent has taken.
import { resolve } from "node:path";
import type { Arguments, Command } from "../command.ts";
import { lastingProgram } from "../../install/program.ts";
import { agentUnit, systemdUnit } from "../../install/unit.ts";
import { restoreSentences } from "../../driver/model/types.ts";
import { invalidOption } from "../../base/errors.ts";
import { type MakeService, serviceCommands } from "../service.ts";

function readSeconds(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (seconds <= 86_400) return seconds;
  throw invalidOption("wait", text, "give a number of seconds, up to a day (86400)");
}

export const restore: Command = {
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
};

const OPTIONS = {
  "--hosts-file PATH": "also write all names of the shared pools to this file, for a DNS server",
};

function readHostsFile(args: Arguments): string | undefined {
  const file = args.value("hosts-file");
  return file === undefined ? undefined : resolve(file);
}

/** The agent's service. @param hostsFile The value of its option. */
export function agentService(hostsFile?: string): MakeService {
  const words = hostsFile === undefined ? [] : ["--hosts-file", hostsFile];
  return (program, env) => ({
    command: "agent",
    units: { "ipvlan-agent.service": agentUnit(program, env, words) },
  });
}

export const agent: Command = {
  usage: "[OPTIONS]",
  example: "ipvlan agent",
  options: OPTIONS,
  asks: true,
  async run(args, { open, print, warn, interrupted }) {
    await using driver = await open(interrupted);
    await driver.runAgent({ notify: warn, report: print, hostsFile: readHostsFile(args) });
  },
};

export const { install, uninstall } = serviceCommands("agent", {
  example: ["ipvlan-agent.service"],
  options: OPTIONS,
  make: (args) => agentService(readHostsFile(args)),
});
