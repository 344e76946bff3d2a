import { CNI, printedAnswer } from "../../engine/plugins.ts";
import { versionAnswer } from "../../engine/cni/version.ts";
import type { Command } from "../command.ts";
import { usageError } from "../errors.ts";
import { answerHere, readInput } from "../plugin_call.ts";
import { PRINT_UNIT, uninstallService } from "../service.ts";

export default {
  usage: "[OPTIONS] [install|uninstall|serve] [DIR]",
  example: `ipvlan cni install
systemctl daemon-reload
systemctl enable --now ipvlan-cni.socket
CNI_COMMAND=VERSION ipvlan cni < /dev/null`,
  options: {
    "--print-unit": `with install: ${PRINT_UNIT["--print-unit"]}`,
    "--socket PATH": `with serve: the socket to listen at; left out, ${CNI.socket}`,
    "--verbose":
      "print each ip line as it is run, the stack of an error, and each call that is served",
  },
  statuses: [["0", "done"], ["1", "an error, which is on standard output as JSON"]],
  async run(args, context) {
    const { command, print } = context;
    const [word, folder] = args.positionals;
    const wrong = [
      ...word === undefined || ["install", "uninstall", "serve"].includes(word)
        ? []
        : [`The word ${JSON.stringify(word)} is not known: write install, uninstall or serve`],
      ...args.on("print-unit") && word !== "install" ? ["--print-unit is for install"] : [],
      ...args.value("socket") !== undefined && word !== "serve" ? ["--socket is for serve"] : [],
      ...folder !== undefined && word === "serve" ? ["serve takes no folder"] : [],
    ];
    if (wrong.length > 0) throw usageError(command, wrong);
    const isCall = word === undefined;
    const text = isCall ? await readInput() : "";
    if (isCall && Deno.env.get("CNI_COMMAND") === "VERSION") {
      print(printedAnswer({ status: 0, output: versionAnswer(text) })!);
      return;
    }
    // Load only what is needed, as the runtime waits for each call.
    const { runPlugin } = await import("../../engine/cni/mod.ts");
    if (isCall) return await answerHere(runPlugin, [], text, context);
    const { install, serveCalls, serviceOf } = await import("../plugin_service.ts");
    if (word === "install") return install(CNI, folder, args, context);
    if (word === "uninstall") return await uninstallService(serviceOf(CNI, folder), context);
    return await serveCalls(CNI, runPlugin, args, context);
  },
} satisfies Command;
