import { PLUGIN, SOCKET } from "../../engine/docker/names.ts";
import { ipamEntries } from "../../driver/model/ipam_options.ts";
import type { Command } from "../command.ts";
import { POOLS, readAccess } from "../etcd.ts";
import { lastingProgram } from "../../install/program.ts";
import { serverUnits, unitsText, writeUnits } from "../../install/unit.ts";

export default {
  usage: "[OPTIONS]",
  example: `ipvlan docker install
systemctl daemon-reload
systemctl enable --now ipvlan-docker.socket ipvlan-docker.service`,
  options: { ...POOLS, "--print-unit": "print the units, and do nothing else" },
  run(args, { print, warn }) {
    const etcd = readAccess(args, true);
    const words = etcd ? ipamEntries(etcd).flatMap((each) => ["--ipam-opt", each.join("=")]) : [];
    const env = Deno.env.toObject();
    const engine: [string, string] = ["docker", "Docker"];
    const units = serverUnits(lastingProgram(), env, engine, SOCKET, words, "docker.service");
    if (args.on("print-unit")) {
      print(unitsText(units));
      return;
    }
    writeUnits(units).forEach(print);
    warn("Next: systemctl daemon-reload");
    warn(`Next: systemctl enable --now ${Object.keys(units).toReversed().join(" ")}`);
    warn(`Then: docker network create -d ${PLUGIN} ...`);
  },
} satisfies Command;
