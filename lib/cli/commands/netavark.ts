// The commands that Podman's netavark runs: a request as JSON on standard input, the answer as JSON
// on standard output. An error is an answer too, with the exit status 1.
import metadata from "../../../deno.json" with { type: "json" };
import { infoOf, runPlugin } from "../../engine/netavark/mod.ts";
import { NETAVARK, PLUGIN_NAME, printedAnswer } from "../../engine/plugins.ts";
import type { Command } from "../command.ts";
import { DRY_RUN } from "../options.ts";
import { answerHere, readInput, serverCommands } from "../plugin_call.ts";

/** Makes a command that answers a request. */
function answering(command: string, usage: string, example: string): Command {
  return {
    usage,
    example: `ipvlan netavark ${command} ${example}`,
    options: DRY_RUN,
    statuses: [["0", "it was done"], ["1", "an error, which is printed as JSON"]],
    run: async ({ positionals }, context) =>
      await answerHere(runPlugin, [command, ...positionals], await readInput(), context),
  };
}

export const create = answering("create", "", "< network.json");

export const setup = answering("setup", "NETNS", "/run/netns/netns-1 < request.json");

/** `ipvlan netavark teardown`. The namespace may be gone already. */
export const teardown = answering("teardown", "NETNS", "/run/netns/netns-1 < request.json");

export const info: Command = {
  usage: "",
  example: "ipvlan netavark info",
  run(_args, { print }) {
    print(printedAnswer({ status: 0, output: infoOf(metadata.version) })!);
  },
};

export const { install, uninstall, serve } = serverCommands(
  NETAVARK,
  () => Promise.resolve(runPlugin),
  `podman network create -d ${PLUGIN_NAME} --subnet=192.168.1.0/24 -o parent=eth0 db_net`,
);
