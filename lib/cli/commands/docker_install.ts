import { SOCKET } from "../../engine/docker/handlers.ts";
import { PLUGIN_NAME } from "../../engine/plugins.ts";
import { ipamEntries } from "../../driver/model/ipam_options.ts";
import type { Command } from "../command.ts";
import { POOLS, readAccess } from "../etcd.ts";
import { serverUnits } from "../../install/unit.ts";
import { installService, type MakeService, PRINT_UNIT, uninstallService } from "../service.ts";

/** The plugin's service. @param words The options of the server. */
export function dockerService(words: readonly string[]): MakeService {
  const engine: [string, string] = ["docker", "Docker"];
  return (program, env) => ({
    command: engine[0],
    socket: SOCKET,
    units: serverUnits(program, env, engine, SOCKET, words, "docker.service"),
  });
}

/** `ipvlan docker install`. */
export const install: Command = {
  usage: "[OPTIONS]",
  example: `ipvlan docker install
systemctl daemon-reload
systemctl enable --now ipvlan-docker.socket ipvlan-docker.service
docker network create -d ${PLUGIN_NAME} --subnet=192.168.20.0/24 -o parent=eth0.20 ipvlan20`,
  options: { ...POOLS, ...PRINT_UNIT },
  run(args, context) {
    const etcd = readAccess(args, true);
    const words = etcd ? ipamEntries(etcd).flatMap((each) => ["--ipam-opt", each.join("=")]) : [];
    return installService(dockerService(words), args, context);
  },
};

export const uninstall: Command = {
  usage: "",
  example: `ipvlan docker uninstall
systemctl daemon-reload`,
  run: (_args, context) => uninstallService(dockerService([]), context),
};
