import { CNI, printedAnswer } from "../../engine/plugins.ts";
import { versionAnswer } from "../../engine/cni/version.ts";
import type { Command } from "../command.ts";
import { answerHere, readInput, serverCommands } from "../plugin_call.ts";

/** Loads only what is needed, as the runtime waits for each call. */
const load = async () => (await import("../../engine/cni/mod.ts")).runPlugin;

export const cni: Command = {
  usage: "",
  example: `ipvlan cni install
CNI_COMMAND=VERSION ipvlan cni < /dev/null`,
  statuses: [["0", "done"], ["1", "an error, which is on standard output as JSON"]],
  async run(_args, context) {
    const text = await readInput();
    if (Deno.env.get("CNI_COMMAND") !== "VERSION") {
      return await answerHere(await load(), [], text, context);
    }
    context.print(printedAnswer({ status: 0, output: versionAnswer(text) })!);
  },
};

export const { install, uninstall, serve } = serverCommands(CNI, load);
