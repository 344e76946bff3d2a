import { diff, planLines, readSite } from "../../site/mod.ts";
import type { Command } from "../command.ts";
import { countChanges } from "../site.ts";

/** The exit status if something differs, so that scripts can tell that from an error. */
const DIFFERENT = 2;

export default {
  usage: "[OPTIONS] FILE",
  example: "ipvlan diff web.yaml",
  options: { "--json": "print the changes as JSON" },
  statuses: [
    ["0", "nothing differs"],
    ["1", "an error, also in the command line"],
    ["2", "something differs"],
  ],
  misuse: 1,
  async run(args, { open, print }) {
    const desired = await readSite(args.positionals[0]!);
    await using driver = await open();
    const plan = await diff(driver, desired);
    const lines = planLines(plan);
    if (args.on("json")) print(JSON.stringify(plan.changes, null, 4));
    else if (lines.length > 0) [...lines, countChanges(lines)].forEach(print);
    return lines.length > 0 ? DIFFERENT : 0;
  },
} satisfies Command;
