/**
 * The plugin as a managed plugin: one that Docker runs itself, from a folder that
 * `docker plugin create` takes.
 *
 * @module
 */
import { PLUGIN, SOCKET } from "./names.ts";

/** What is different in each managed plugin. */
export interface ManagedPlugin {
  /** The command line that starts the plugin in its root folder; the first word is a path. */
  entrypoint: readonly string[];
  /** The environment variables of the plugin. */
  env: Readonly<Record<string, string>>;
  /** The machine's folder for the plugin's records. */
  stateDir: string;
  /** The version of this program. */
  version: string;
}

/** Where the plugin has its records, in its own root folder. */
const STATE = "/var/lib/ipvlan";

/**
 * The `config.json` of a managed plugin
 * (https://docs.docker.com/engine/extend/config/, "Plugin Config Version 1 of Plugin V2").
 *
 * - The records are in a folder of the machine. A plugin's own folder (`propagatedMount`) goes with
 *   `docker plugin rm`. Docker does not create its networks again for the next plugin.
 * - `/run` is the machine's, as the files of namespaces are there. They are mounts, which come and go
 *   while the plugin runs: `rslave` shows them to it. The socket is in a folder that Docker mounts.
 * - With the machine's processes (`pidhost`), the plugin finds the namespaces that have no file, and
 *   what an `ipvlan` on the machine runs. `CAP_SYS_PTRACE` lets it look into any process's namespace.
 */
export function managedConfig({ entrypoint, env, stateDir, version }: ManagedPlugin): unknown {
  return {
    description: `${PLUGIN} ${version}: ipvlan networks`,
    interface: {
      types: ["docker.networkdriver/1.0", "docker.ipamdriver/1.0"],
      socket: SOCKET.split("/").at(-1),
    },
    entrypoint,
    workdir: "/",
    network: { type: "host" },
    pidhost: true,
    env: Object.entries({ ...env, IPVLAN_STATE_DIR: STATE }).map(([name, value]) => ({
      name,
      value,
    })),
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
