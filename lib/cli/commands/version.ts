import metadata from "../../../deno.json" with { type: "json" };
import type { Command } from "../command.ts";

export default {
  usage: "",
  example: "ipvlan version",
  run(_args, { print }) {
    print(`ipvlan ${metadata.version}`);
  },
} satisfies Command;
