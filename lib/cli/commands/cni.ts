import { Interrupt } from "../../base/signals.ts";
import { readRequest } from "../../engine/json.ts";
import { versionAnswer } from "../../engine/cni/version.ts";
import type { Command } from "../command.ts";
import { usageError } from "../errors.ts";
import { IpvlanError } from "../../base/errors.ts";

export default {
  usage: "[OPTIONS] [install [DIR] | serve]",
  example: `ipvlan cni install
systemctl daemon-reload
systemctl enable --now ipvlan-cni.socket
CNI_COMMAND=VERSION ipvlan cni < /dev/null`,
  options: {
    "--print-unit": "with install: print the systemd units, and do nothing else",
    "--socket PATH": "with serve: the socket to listen at",
    "--verbose":
      "print each ip line as it is run, the stack of an error, and each call that is served",
  },
  positionals: [0, 2],
  statuses: [["0", "done"], ["1", "an error, which is on standard output as JSON"]],
  async run(args, context) {
    const { command, open, print, warn } = context;
    const [word, folder] = args.positionals;
    const forOther = [
      ...args.on("print-unit") && word !== "install" ? ["--print-unit is for install"] : [],
      ...args.value("socket") !== undefined && word !== "serve" ? ["--socket is for serve"] : [],
      ...folder !== undefined && word === "serve" ? ["serve takes no folder"] : [],
    ];
    if (word !== undefined && word !== "install" && word !== "serve") {
      forOther.unshift(`The word ${JSON.stringify(word)} is not known: write install or serve`);
    }
    if (forOther.length > 0) throw usageError(command, forOther);
    // Load only what is needed, as the runtime waits for each call.
    if (word !== undefined) {
      const { install, serveCalls } = await import("../cni_service.ts");
      await (word === "install" ? install : serveCalls)(args, context);
      return;
    }
    // Nobody types a configuration at a terminal.
    const text = Deno.stdin.isTerminal() ? "" : await readRequest(Deno.stdin.readable);
    if (Deno.env.get("CNI_COMMAND") === "VERSION") {
      print(JSON.stringify(versionAnswer(text), null, 4));
      return;
    }
    const { runPlugin } = await import("../../engine/cni/mod.ts");
    // After a signal, the call is undone, and the answer says to try again.
    using interrupt = new Interrupt({ reason: new IpvlanError("interrupted") });
    const { status, output } = await runPlugin(Deno.env.toObject(), text, {
      folder: Deno.cwd(),
      withDriver: async (run) => {
        await using driver = await open(interrupt.signal);
        return await run(driver);
      },
      warn,
      log: (printed) => void Deno.stderr.writeSync(printed),
    });
    if (output !== undefined) print(JSON.stringify(output, null, 4));
    return status;
  },
} satisfies Command;
