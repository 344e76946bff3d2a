// The commands of plugins: calls that this process answers itself, and the server that answers others.
import { IpvlanError } from "../base/errors.ts";
import { Interrupt } from "../base/signals.ts";
import { readRequest } from "../engine/json.ts";
import { type Plugin, printedAnswer, type RunPlugin } from "../engine/plugins.ts";
import type { Command, Context } from "./command.ts";
import { serviceCommands } from "./service.ts";

/** Reads the standard input of a call. Nobody types a request at a terminal. */
export async function readInput(): Promise<string> {
  return Deno.stdin.isTerminal() ? "" : await readRequest(Deno.stdin.readable);
}

/** Answers the call in the environment and the words. Resolves to the exit status. */
export async function answerHere(
  run: RunPlugin,
  words: readonly string[],
  text: string,
  { open, print, warn, dryRun }: Context,
): Promise<number> {
  // After a signal, the call is undone, and the answer says to try again.
  using interrupt = new Interrupt({ reason: new IpvlanError("interrupted") });
  const answered = await run({ folder: ".", words, variables: Deno.env.toObject(), text }, {
    withDriver: async (use) => {
      await using driver = await open(interrupt.signal);
      return await use(driver);
    },
    warn,
    log: (printed) => void Deno.stderr.writeSync(printed),
  });
  const printed = printedAnswer(answered);
  // With --dry-run, only the lines are printed, and errors.
  if (printed !== undefined && !(dryRun && answered.status === 0)) print(printed);
  return answered.status;
}

/**
 * Makes the commands that install a plugin and its server, remove both, and are the server.
 *
 * @param load Loads what answers a call.
 * @param next The lines of an example after `install`.
 */
export function serverCommands(
  plugin: Plugin,
  load: () => Promise<RunPlugin>,
  ...next: string[]
): Record<"install" | "uninstall" | "serve", Command> {
  const { command, socket } = plugin;
  const service = () => import("./plugin_service.ts");
  return {
    ...serviceCommands(command, {
      example: [`ipvlan-${command}.socket`, ...next],
      hasFolder: true,
      make: async ({ positionals: [folder] }) => (await service()).serviceOf(plugin, folder),
    }),
    serve: {
      usage: "[OPTIONS]",
      example: `ipvlan ${command} serve`,
      options: {
        "--socket PATH": `the socket to listen at; left out, ${socket}`,
        "--verbose": "print each ip line as it is run, the stack of an error, and each call",
      },
      statuses: SERVED,
      run: async (args, context) =>
        await (await service()).serveCalls(plugin, await load(), args, context),
    },
  };
}

/** The exit statuses of servers. */
export const SERVED: Command["statuses"] = [
  ["0", "a signal ended it, after the calls under way"],
  ["1", "it could not start"],
];
