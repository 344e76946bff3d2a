import { resolve } from "node:path";
import type { Command } from "../command.ts";
import { lastingProgram } from "../../install/program.ts";
import { agentUnit } from "../../install/unit.ts";

export default {
  usage: "[OPTIONS]",
  example: `ipvlan agent
ipvlan agent --print-unit > /etc/systemd/system/ipvlan-agent.service`,
  options: {
    "--hosts-file PATH": "also write all names of the shared pools to this file, for a DNS server",
    "--print-unit": "print a systemd unit that runs it, and do nothing else",
  },
  asks: true,
  async run(args, { open, print, warn, interrupted }) {
    const given = args.value("hosts-file");
    const hostsFile = given === undefined ? undefined : resolve(given);
    if (args.on("print-unit")) {
      const more = hostsFile === undefined ? [] : ["--hosts-file", hostsFile];
      print(agentUnit(lastingProgram(), Deno.env.toObject(), more));
      return;
    }
    await using driver = await open(interrupted);
    await driver.runAgent({ notify: warn, report: print, hostsFile });
  },
} satisfies Command;
