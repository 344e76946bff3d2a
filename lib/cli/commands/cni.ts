import { InterruptedError } from "../../errors.ts";
import { Interrupt } from "../../signals.ts";
import { PLUGIN_NAME, versionAnswer } from "../../engine/cni/version.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { executableText, writeExecutable } from "../executable.ts";
import { thisProgram } from "../unit.ts";

/** Where runtimes look for plugins. */
const FOLDER = "/opt/cni/bin";

const command: Command = {
  usage: "[install [DIR]]",
  example: `ipvlan cni install
CNI_COMMAND=VERSION ipvlan cni < /dev/null`,
  options: [],
  positionals: [0, 2],
  statuses: [["0", "done"], ["1", "an error, which is on standard output as JSON"]],
  async run(args, { command, open, print, warn }) {
    const [word, folder = FOLDER] = args.positionals;
    if (word === "install") {
      const text = executableText(thisProgram(), ["cni"], Deno.env.toObject());
      print(await writeExecutable(folder, PLUGIN_NAME, text));
      return 0;
    }
    if (word !== undefined) {
      throw new UsageError(command, [
        `The word ${JSON.stringify(word)} is not known: write install`,
      ]);
    }
    // A terminal has no configuration to give.
    const text = Deno.stdin.isTerminal() ? "" : await new Response(Deno.stdin.readable).text();
    if (Deno.env.get("CNI_COMMAND") === "VERSION") {
      print(JSON.stringify(versionAnswer(text), null, 4));
      return 0;
    }
    const { runPlugin } = await import("../../engine/cni/mod.ts");
    // After a signal, what was begun is undone, and the answer says to try again.
    using interrupt = new Interrupt({ reason: new InterruptedError() });
    const { status, output } = await runPlugin(Deno.env.toObject(), text, {
      open: () => open(interrupt.signal),
      warn,
    });
    if (output !== undefined) print(JSON.stringify(output, null, 4));
    return status;
  },
};
export default command;
