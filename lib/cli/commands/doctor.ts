import { type Diagnosis, examine, toText } from "../../doctor/mod.ts";
import { sayContainers } from "../../engine/docker/api.ts";
import type { Command } from "../command.ts";
import { LAB_HINT } from "../errors.ts";

function isOfTheMachine({ level, subject }: Diagnosis): boolean {
  return level === "broken" && /^(kernel|rights|module .*)$/.test(subject);
}

export default {
  usage: "[OPTIONS]",
  example: `ipvlan doctor
ipvlan doctor --parent eth0.20`,
  options: {
    "--parent LINK": "examine this link as a parent; default the parents of all networks",
    "--json": "print an array of objects with level, subject, what and fix",
  },
  asks: true,
  statuses: [["0", "nothing is broken"], ["1", "something is broken"]],
  async run(args, { print, printColoured, interrupted: signal }) {
    const diagnoses = await examine({ parent: args.value("parent"), signal });
    if (args.on("json")) print(JSON.stringify(diagnoses, null, 4));
    else {
      const text = toText(diagnoses, Deno.stdout.isTerminal() && !Deno.noColor);
      printColoured(await sayContainers(text));
      if (diagnoses.some(isOfTheMachine)) print(LAB_HINT);
    }
    return diagnoses.some(({ level }) => level === "broken") ? 1 : 0;
  },
} satisfies Command;
