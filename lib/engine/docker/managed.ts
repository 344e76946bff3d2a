// The managed plugin: one that Docker itself runs, from a folder for `docker plugin create`.
import { SOCKET } from "./handlers.ts";
import { PLUGIN_NAME } from "../plugins.ts";

interface ManagedPlugin {
  /** The command line that starts the plugin in its root folder; the first word is a path. */
  entrypoint: readonly string[];
  env: Readonly<Record<string, string>>;
  /** The machine's folder for the plugin's records. */
  stateDir: string;
  version: string;
}

/** The folder of the plugin's records inside its own root folder. */
const STATE = "/var/lib/ipvlan";

/**
 * The `config.json` of a managed plugin
 * (https://docs.docker.com/engine/extend/config/, "Plugin Config Version 1 of Plugin V2").
 *
 * - The records are in a folder of the machine: `docker plugin rm` deletes a plugin's own folder
 *   (`propagatedMount`), and Docker does not create its networks again for the next plugin.
 * - `/run` is the machine's, as it has the files of namespaces. These are mounts, which appear and
 *   vanish while the plugin runs: `rslave` passes them on. Docker mounts the folder of the socket.
 * - `pidhost` shows the machine's processes. So the plugin finds namespaces without a file, and the
 *   processes of an `ipvlan` on the machine. `CAP_SYS_PTRACE` lets it enter any process's namespace.
 */
export function managedConfig({ entrypoint, env, stateDir, version }: ManagedPlugin): unknown {
  return {
    description: `${PLUGIN_NAME} ${version}: ipvlan networks`,
    interface: {
      types: ["docker.networkdriver/1.0", "docker.ipamdriver/1.0"],
      socket: SOCKET.split("/").at(-1),
    },
    entrypoint,
    workdir: "/",
    network: { type: "host" },
    pidhost: true,
    env: Object.entries({ ...env, IPVLAN_STATE_DIR: STATE })
      .map(([name, value]) => ({ name, value })),
    mounts: [
      {
        name: "state",
        description: "the folder of the records; it has to exist",
        source: stateDir,
        destination: STATE,
        type: "bind",
        options: ["rbind"],
        settable: ["source"],
      },
      {
        name: "run",
        description: "the files of namespaces",
        source: "/run",
        destination: "/run",
        type: "bind",
        options: ["rbind", "rslave"],
      },
    ],
    linux: { capabilities: ["CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"] },
  };
}
