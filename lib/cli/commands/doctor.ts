import { diagnose, gatherFacts, toText } from "../../doctor/mod.ts";
import type { Command } from "../command.ts";

const command: Command = {
  usage: "[OPTIONS]",
  example: `ipvlan doctor
ipvlan doctor --parent eth0.20`,
  options: [
    {
      ...{ name: "parent", value: "LINK" },
      help: "examine this link as a parent; otherwise those of all networks",
    },
    { name: "json", help: "print an array of objects with level, subject, what and fix" },
  ],
  words: [0, 0],
  statuses: [["0", "nothing is broken"], ["1", "something is broken"]],
  async run(words, { print }) {
    const diagnoses = diagnose(await gatherFacts({ parent: words.value("parent") }));
    print(
      words.on("json")
        ? JSON.stringify(diagnoses, null, 4)
        : toText(diagnoses, Deno.stdout.isTerminal() && !Deno.noColor),
    );
    return diagnoses.some(({ level }) => level === "broken") ? 1 : 0;
  },
};
export default command;
