import { accept } from "../../base/errors.ts";
import { readConfig, ROUTING_DAEMONS, routingConfig } from "../../driver/model/routing_config.ts";
import type { Arguments, Command } from "../command.ts";
import { table } from "../docker/list.ts";
import { usageError } from "../errors.ts";

export default {
  usage: "[OPTIONS]",
  example: "ipvlan advertise\n" +
    "ipvlan advertise --config frr --asn 65001 --neighbor 172.16.0.1 > ipvlan.conf",
  options: {
    "--json": "print an array of objects with kind, dst, network, sandbox and state",
    [`--config ${ROUTING_DAEMONS.join("|")}`]:
      "print the configuration by which this daemon announces the routes",
    "--asn NUMBER": "with --config: this host's autonomous system in BGP",
    "--neighbor ADDRESS...": "with --config: the address of a router to announce the routes to",
  },
  asks: true,
  async run(args, { command: name, open, print }) {
    const config = args.value("config");
    if (config !== undefined) {
      print(configText(config, args, name));
      return;
    }
    const needless = ["asn", "neighbor"].filter((option) => args.values(option).length > 0);
    if (needless.length > 0) {
      throw usageError(name, needless.map((option) => `Option --${option} needs --config`));
    }
    await using driver = await open();
    const routes = await driver.advertisedRoutes();
    const rows = routes.map((each) => {
      const { dst, kind, network = "", sandbox = "", state } = each;
      return [dst, kind, network, sandbox, state];
    });
    const header = ["ROUTE", "KIND", "NETWORK", "SANDBOX", "STATE"];
    print(args.on("json") ? JSON.stringify(routes, null, 4) : table(header, rows));
  },
} satisfies Command;

/** The configuration of a daemon, without the last line break. */
function configText(config: string, args: Arguments, name: string): string {
  if (args.on("json")) throw usageError(name, ["Choose one of --json and --config"]);
  const words = { daemon: config, asn: args.value("asn"), neighbors: args.values("neighbor") };
  const { daemon, peers } = accept(readConfig(words));
  return routingConfig(daemon, peers).trimEnd();
}
