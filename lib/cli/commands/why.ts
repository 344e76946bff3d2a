import { explain, toText } from "../../why/mod.ts";
import type { Command } from "../command.ts";
import { findFlow } from "../flow.ts";

const STATUSES = { yes: 0, no: 1, leaves: 3, unknown: 3 } as const;

export default {
  usage: "[OPTIONS] FROM TO",
  example: `ipvlan why c1 c2
ipvlan why c1 192.168.1.250
ipvlan why host:eth0 c1`,
  options: { "--json": "print an object with verdict, there, back and fix" },
  asks: true,
  statuses: [
    ["0", "it is reached"],
    ["1", "it is not, or an error"],
    ["2", "misuse"],
    ["3", "that is not known: the packet leaves what is in view, or is treated in an unknown way"],
  ],
  async run(args, { open, print, interrupted: signal }) {
    const [from = ""] = args.positionals;
    await using driver = await open();
    const { view, node, dst, src, target } = await findFlow(driver, args.positionals, signal);
    const { fix, ...answer } = await explain(view, node, { dst, src });
    if (args.on("json")) print(JSON.stringify({ from, to: dst, ...answer, fix }, null, 4));
    else print(toText(answer, { from, to: target, fix }));
    return STATUSES[answer.verdict];
  },
} satisfies Command;
