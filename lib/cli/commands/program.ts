import metadata from "../../../deno.json" with { type: "json" };
import type { Command } from "../command.ts";

export const version: Command = {
  usage: "",
  example: "ipvlan version",
  run(_args, { print }) {
    print(`ipvlan ${metadata.version}`);
  },
};

export const lab: Command = {
  usage: "[OPTIONS] [SCENARIO...] | -- COMMAND [WORD...]",
  example: "ipvlan lab l2",
  raw: true,
  async run({ positionals }) {
    const { main } = await import("../../../lab/main.ts");
    return await main(positionals);
  },
};
