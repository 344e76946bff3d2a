import { resolve } from "node:path";
import type { Command } from "../command.ts";
import { usageError } from "../errors.ts";
import { agentUnit } from "../../install/unit.ts";
import { installService, type MakeService, PRINT_UNIT, uninstallService } from "../service.ts";

/** The agent's service. @param words The options of the agent. */
export function agentService(words: readonly string[]): MakeService {
  return (program, env) => ({
    command: "agent",
    units: { "ipvlan-agent.service": agentUnit(program, env, words) },
  });
}

export default {
  usage: "[OPTIONS] [install|uninstall]",
  example: `ipvlan agent
ipvlan agent install
systemctl daemon-reload
systemctl enable --now ipvlan-agent.service`,
  options: {
    "--hosts-file PATH": "also write all names of the shared pools to this file, for a DNS server",
    "--print-unit": `with install: ${PRINT_UNIT["--print-unit"]}`,
  },
  asks: true,
  async run(args, context) {
    const { command, open, print, warn, interrupted } = context;
    const [word] = args.positionals;
    const given = args.value("hosts-file");
    const wrong = [
      ...word === undefined || word === "install" || word === "uninstall"
        ? []
        : [`The word ${JSON.stringify(word)} is not known: write install or uninstall`],
      ...args.on("print-unit") && word !== "install" ? ["--print-unit is for install"] : [],
      ...given !== undefined && word === "uninstall" ? ["uninstall takes no --hosts-file"] : [],
    ];
    if (wrong.length > 0) throw usageError(command, wrong);
    const hostsFile = given === undefined ? undefined : resolve(given);
    const words = hostsFile === undefined ? [] : ["--hosts-file", hostsFile];
    const service = agentService(words);
    if (word === "install") return installService(service, args, context);
    if (word === "uninstall") return await uninstallService(service, context);
    await using driver = await open(interrupted);
    await driver.runAgent({ notify: warn, report: print, hostsFile });
  },
} satisfies Command;
