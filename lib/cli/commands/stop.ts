import type { Command } from "../command.ts";
import { readSignal, readTimeout, unlessRemoved, waitForEnd } from "../end.ts";
import { forEachName } from "../errors.ts";
import { requireOwn } from "../own.ts";

export default {
  usage: "[OPTIONS] SANDBOX [SANDBOX...]",
  example: "ipvlan stop --timeout 2 nginx",
  options: {
    "-s, --signal SIGNAL": "the signal; default TERM",
    "-t, --timeout SECONDS": "how long to wait before the processes are killed; default 10",
    "--time SECONDS": "the same as --timeout",
  },
  async run(args, context) {
    const signal = readSignal(args.value("signal") ?? "TERM");
    const seconds = readTimeout(args.value("timeout") ?? args.value("time") ?? "10");
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      requireOwn(driver, { sandboxes: [name] });
      const { id } = driver.inspectSandbox(name);
      const deadline = performance.now() + seconds * 1000;
      await unlessRemoved(async () => {
        await driver.signal(id, signal);
        // A process may have started another one just before it was killed.
        while (!await waitForEnd(driver, id, deadline)) await driver.signal(id, "SIGKILL");
      });
      context.print(name);
    });
  },
} satisfies Command;
