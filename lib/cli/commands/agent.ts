import type { Command } from "../command.ts";
import { agentUnit, thisProgram } from "../unit.ts";

const command: Command = {
  usage: "[OPTIONS]",
  example: `ipvlan agent
ipvlan agent --print-unit > /etc/systemd/system/ipvlan-agent.service`,
  options: [
    { name: "print-unit", help: "print a systemd unit that runs it, and do nothing else" },
  ],
  positionals: [0, 0],
  asks: true,
  async run(args, { open, print, warn, interrupted }) {
    if (args.on("print-unit")) {
      print(agentUnit(thisProgram(), Deno.env.toObject()));
      return 0;
    }
    await using driver = await open();
    await driver.runAgent({ signal: interrupted, notify: warn });
    return 0;
  },
};
export default command;
