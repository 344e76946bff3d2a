import { resolve } from "node:path";
import type { Arguments, Command } from "../command.ts";
import { agentUnit } from "../../install/unit.ts";
import { type MakeService, serviceCommands } from "../service.ts";

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
