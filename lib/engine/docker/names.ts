/** The name of the plugin, as in `docker network create -d ipvlan-kit`. */
export const PLUGIN = "ipvlan-kit";

/** The socket at which Docker looks for the plugin. */
export const SOCKET = `/run/docker/plugins/${PLUGIN}.sock`;

/** The first call of a Docker daemon. */
export const ACTIVATE = "Plugin.Activate";
