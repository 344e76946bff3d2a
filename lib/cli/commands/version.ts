import metadata from "../../../deno.json" with { type: "json" };
import type { Command } from "../command.ts";

const command: Command = {
  usage: "",
  example: "ipvlan version",
  options: [],
  positionals: [0, 0],
  run(_args, { print }) {
    print(`ipvlan ${metadata.version}`);
    return Promise.resolve(0);
  },
};
export default command;
