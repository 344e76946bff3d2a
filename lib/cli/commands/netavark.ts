/**
 * The commands that Podman's netavark runs: a request as JSON on standard input, the answer as JSON
 * on standard output. An error is an answer too, with the exit status 1.
 *
 * @module
 */
import metadata from "../../../deno.json" with { type: "json" };
import type { EngineDriver } from "../../driver/mod.ts";
import type { Outcome } from "../../driver/model/types.ts";
import { createNetwork, infoOf, setUp, tearDown } from "../../engine/netavark/mod.ts";
import { readRequest } from "../../engine/json.ts";
import { IpvlanError } from "../../base/errors.ts";
import type { Arguments, Command, Context } from "../command.ts";
import { executableText, writeExecutable } from "../../install/executable.ts";
import { lastingProgram } from "../../install/unit.ts";

/** The name of the file, which is that of Podman's network driver. */
const PLUGIN = "ipvlan-kit";

/** The folder where Podman looks first for plugins (`netavark_plugin_dirs`, containers.conf(5)). */
const FOLDER = "/usr/local/libexec/netavark";

/** Makes a command that answers a request. */
function answering(
  { usage, example, answer }: Pick<Command, "usage" | "example"> & {
    /** Answers. The value is `undefined` where netavark expects no answer. */
    answer(driver: EngineDriver, request: string, args: Arguments): Promise<Outcome<unknown>>;
  },
): Command {
  return {
    usage,
    example,
    statuses: [["0", "it was done"], ["1", "an error, which is printed as JSON"]],
    changes: true,
    run: (args, context) =>
      printAnswer(context, async () => {
        const request = await readRequest(Deno.stdin.readable);
        await using driver = await context.open();
        return await answer(driver, request, args);
      }),
  };
}

/** Prints an answer or an error as JSON. Resolves to the exit status. */
async function printAnswer(
  { print, warn, dryRun }: Context,
  answer: () => Promise<Outcome<unknown>>,
): Promise<number> {
  try {
    const { value, notices } = await answer();
    // Podman shows standard error to its user.
    notices.forEach(warn);
    if (value !== undefined && !dryRun) print(JSON.stringify(value));
    return 0;
  } catch (error) {
    // netavark expects this answer for a bug, too.
    if (!(error instanceof IpvlanError)) console.error(error);
    print(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
    return 1;
  }
}

/** `ipvlan netavark create`. */
export const create: Command = answering({
  usage: "",
  example: "ipvlan netavark create < network.json",
  answer: (driver, request) => createNetwork(driver, request),
});

/** `ipvlan netavark setup`. */
export const setup: Command = answering({
  usage: "NETNS",
  example: "ipvlan netavark setup /run/netns/netns-1 < request.json",
  answer: (driver, request, { positionals }) => setUp(driver, request, positionals[0]!),
});

/** `ipvlan netavark teardown`. The namespace may be gone already. */
export const teardown: Command = answering({
  usage: "NETNS",
  example: "ipvlan netavark teardown /run/netns/netns-1 < request.json",
  answer: (driver, request) => tearDown(driver, request),
});

/** `ipvlan netavark info`. */
export const info: Command = {
  usage: "",
  example: "ipvlan netavark info",
  run(_args, { print }) {
    print(JSON.stringify(infoOf(metadata.version)));
    return Promise.resolve(0);
  },
};

/** `ipvlan netavark install`. */
export const install: Command = {
  usage: "[DIR]",
  example: `ipvlan netavark install
podman network create -d ${PLUGIN} --subnet=192.168.1.0/24 -o parent=eth0 db_net`,
  async run({ positionals: [folder = FOLDER] }, { print }) {
    const text = executableText(lastingProgram(), ["netavark"], Deno.env.toObject());
    print(await writeExecutable(folder, PLUGIN, text));
    return 0;
  },
};
