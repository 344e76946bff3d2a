import { stringify } from "@std/yaml";
import { exportSite } from "../../site/mod.ts";
import type { Command } from "../command.ts";

export default {
  usage: "[NETWORK|SANDBOX...]",
  example: `ipvlan export > web.yaml
ipvlan export nginx probe`,
  async run({ positionals }, { open, print, printColoured, warn }) {
    await using driver = await open();
    const records = { networks: driver.listNetworks(), sandboxes: driver.listSandboxes() };
    const { value, notices } = exportSite(records, positionals);
    notices.forEach(warn);
    for (const [name, { command }] of Object.entries(value.sandboxes ?? {})) {
      const isBusy = async () => (await driver.processes(name)).length > 0;
      if (command || !(await isBusy() || await driver.exitStatus(name) !== undefined)) continue;
      warn(`The command of the sandbox "${name}" is left out: only a site file's is on record`);
    }
    const text = stringify(value).trimEnd();
    // At a terminal, escape control characters in labels; in a file, keep every character.
    if (Deno.stdout.isTerminal()) print(text);
    else printColoured(text);
  },
} satisfies Command;
