import type { Command } from "../command.ts";

const command: Command = {
  usage: "[OPTIONS] [SCENARIO...] | -- COMMAND [WORD...]",
  example: "ipvlan lab l2",
  options: [],
  words: [0, Infinity],
  raw: true,
  async run({ words }) {
    const { main } = await import("../../../lab/main.ts");
    return await main(words);
  },
};
export default command;
