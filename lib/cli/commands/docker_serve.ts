import type { Command } from "../command.ts";
import { POOLS, readAccess } from "../etcd.ts";
import { runPlugin } from "../../engine/docker/mod.ts";
import { SOCKET } from "../../engine/docker/handlers.ts";
import { passedSocket } from "../../install/unit.ts";
import { Interrupt } from "../../base/signals.ts";

export default {
  usage: "[OPTIONS]",
  example: `ipvlan docker serve
docker network create -d ipvlan-kit --subnet=192.168.20.0/24 -o parent=eth0.20 ipvlan20`,
  options: {
    ...POOLS,
    "--socket PATH": `the socket to listen at; left out, ${SOCKET}`,
    "--verbose":
      "print each call with its time, each ip line as it is run, and the stack of an error",
  },
  statuses: [["0", "a signal ended it, after the calls under way"], ["1", "it could not start"]],
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
} satisfies Command;
