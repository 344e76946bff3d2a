import type { Command } from "../command.ts";
import { POOLS, readAccess } from "../option_values.ts";
import { SERVED } from "../plugin_call.ts";
import { runPlugin } from "../../engine/docker/mod.ts";
import { SOCKET } from "../../engine/docker/handlers.ts";
import { neededVariables, passedSocket, serverUnits } from "../../install/unit.ts";
import { Interrupt } from "../../base/signals.ts";
import { PLUGIN_NAME } from "../../engine/plugins.ts";
import { ipamEntries } from "../../driver/model/ipam_options.ts";
import { type MakeService, serviceCommands } from "../service.ts";
import { shellLine } from "../../base/printable.ts";
import metadata from "../../../deno.json" with { type: "json" };
import { makeBundle } from "../../install/bundle.ts";
import { Progress } from "../output.ts";
import { stateFolder } from "../../driver/model/state_folder.ts";
import { migrate as moveToPlugin } from "../../engine/docker/migrate.ts";

export const serve: Command = {
  usage: "[OPTIONS]",
  example: `ipvlan docker serve
docker network create -d ipvlan-kit --subnet=192.168.20.0/24 -o parent=eth0.20 ipvlan20`,
  options: {
    ...POOLS,
    "--socket PATH": `the socket to listen at; left out, ${SOCKET}`,
    "--verbose":
      "print each call with its time, each ip line as it is run, and the stack of an error",
  },
  statuses: SERVED,
  async run(args, { open, warn }) {
    const etcd = readAccess(args, true);
    using interrupt = new Interrupt({ again: (status) => Deno.exit(status) });
    await using driver = await open();
    const socket = args.value("socket") ?? passedSocket(Deno.env.toObject(), Deno.pid) ?? SOCKET;
    await runPlugin({
      driver,
      socket,
      etcd,
      signal: interrupt.signal,
      warn,
      verbose: args.on("verbose"),
    });
  },
};

/** The plugin's service. @param words The options of the server. */
export function dockerService(words: readonly string[]): MakeService {
  const engine: [string, string] = ["docker", "Docker"];
  return (program, env) => ({
    command: engine[0],
    socket: SOCKET,
    units: serverUnits(program, env, engine, SOCKET, words, "docker.service"),
  });
}

export const { install, uninstall } = serviceCommands("docker", {
  example: [
    "ipvlan-docker.socket ipvlan-docker.service",
    `docker network create -d ${PLUGIN_NAME} --subnet=192.168.20.0/24 -o parent=eth0.20 ipvlan20`,
  ],
  options: POOLS,
  make: (args) => {
    const etcd = readAccess(args, true);
    return dockerService(
      etcd ? ipamEntries(etcd).flatMap((each) => ["--ipam-opt", each.join("=")]) : [],
    );
  },
});

export const bundle: Command = {
  usage: "DIR",
  example: `ipvlan docker bundle plugin
docker plugin create ipvlan-kit plugin
docker plugin enable ipvlan-kit`,
  asks: true,
  async run({ positionals: [folder = ""] }, { print, warn, interrupted: signal }) {
    const variables = Object.fromEntries(neededVariables(Deno.env.toObject()));
    const stateDir = variables.IPVLAN_STATE_DIR ?? "/var/lib/ipvlan";
    {
      using progress = new Progress();
      const step = (sentence: string) => progress.show(sentence);
      const main = new URL(Deno.mainModule);
      await makeBundle(folder, { main, version: metadata.version, stateDir, step, signal });
    }
    print(folder);
    warn(`Next: mkdir -m 700 -p ${stateDir}`);
    warn(shellLine`Next: docker plugin create ${PLUGIN_NAME} ${folder}`);
    warn(`Next: docker plugin enable ${PLUGIN_NAME}`);
    // Docker knows a managed plugin by its name and its tag.
    warn(`Then: docker network create -d ${PLUGIN_NAME}:latest ...`);
  },
};

export const migrate: Command = {
  usage: "[OPTIONS] NAME",
  example: `ipvlan docker migrate --dry-run db_net
ipvlan docker migrate db_net`,
  options: { "--dry-run": "print the docker lines that it stands for, and do nothing" },
  statuses: [["0", "the plugin has the network"], [
    "1",
    "an error; everything is as before, unless it says so",
  ]],
  changes: true,
  async run({ positionals: [name = ""] }, { open, print, dryRun, interrupted: signal }) {
    await using driver = await open();
    const path = `${stateFolder()}/docker-migrate.json`;
    await moveToPlugin(name, { driver, path, signal, dryRun: dryRun ? print : undefined });
    if (!dryRun) print(`The network ${name} is on ${PLUGIN_NAME}`);
  },
};
