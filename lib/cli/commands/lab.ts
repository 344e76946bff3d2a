import type { Command } from "../command.ts";

const command: Command = {
  usage: "[OPTIONS] [SCENARIO...] | -- COMMAND [WORD...]",
  example: "ipvlan lab l2",
  options: [],
  positionals: [0, Infinity],
  raw: true,
  async run({ positionals }) {
    const { main } = await import("../../../lab/main.ts");
    return await main(positionals);
  },
};
export default command;
