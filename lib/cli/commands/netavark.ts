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
import type { Command } from "../command.ts";
import { executableText, writeExecutable } from "../../install/executable.ts";
import { lastingProgram } from "../../install/unit.ts";

/** The name of the file, which is that of Podman's network driver. */
const PLUGIN = "ipvlan-kit";

/** The folder where Podman looks first for plugins (`netavark_plugin_dirs`, containers.conf(5)). */
const FOLDER = "/usr/local/libexec/netavark";

/**
 * Makes a command that answers a request.
 *
 * @param answer Resolves to the value `undefined` where netavark expects no answer.
 */
function answering(
  usage: string,
  example: string,
  answer: (driver: EngineDriver, request: string, netns: string) => Promise<Outcome<unknown>>,
): Command {
  return {
    usage,
    example,
    statuses: [["0", "it was done"], ["1", "an error, which is printed as JSON"]],
    changes: true,
    async run({ positionals: [netns = ""] }, { open, print, warn, dryRun }) {
      try {
        const request = await readRequest(Deno.stdin.readable);
        await using driver = await open();
        const { value, notices } = await answer(driver, request, netns);
        // Podman shows standard error to its user.
        notices.forEach(warn);
        if (value !== undefined && !dryRun) print(JSON.stringify(value));
      } catch (error) {
        // netavark expects this answer for a bug, too.
        if (!(error instanceof IpvlanError)) console.error(error);
        print(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }));
        return 1;
      }
    },
  };
}

/** `ipvlan netavark create`. */
export const create: Command = answering(
  "",
  "ipvlan netavark create < network.json",
  createNetwork,
);

/** `ipvlan netavark setup`. */
export const setup: Command = answering(
  "NETNS",
  "ipvlan netavark setup /run/netns/netns-1 < request.json",
  setUp,
);

/** `ipvlan netavark teardown`. The namespace may be gone already. */
export const teardown: Command = answering(
  "NETNS",
  "ipvlan netavark teardown /run/netns/netns-1 < request.json",
  tearDown,
);

/** `ipvlan netavark info`. */
export const info: Command = {
  usage: "",
  example: "ipvlan netavark info",
  run(_args, { print }) {
    print(JSON.stringify(infoOf(metadata.version)));
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
  },
};
