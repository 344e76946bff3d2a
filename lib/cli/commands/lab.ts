import type { Command } from "../command.ts";

export default {
  usage: "[OPTIONS] [SCENARIO...] | -- COMMAND [WORD...]",
  example: "ipvlan lab l2",
  raw: true,
  async run({ positionals }) {
    const { main } = await import("../../../lab/main.ts");
    return await main(positionals);
  },
} satisfies Command;
