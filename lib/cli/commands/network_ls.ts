import type { Network } from "../../driver/types.ts";
import type { Command } from "../command.ts";
import { filterNetworks, readFilters } from "../filters.ts";
import { readFormat } from "../format.ts";
import { table } from "../table.ts";

/** A network as `docker network ls --format json` prints it, and what is particular to ipvlan. */
function row(network: Network): Record<string, string> {
  return {
    CreatedAt: network.created,
    Driver: "ipvlan",
    ID: network.id.slice(0, 12),
    IPv6: String(network.subnets.some(({ subnet }) => subnet.includes(":"))),
    Internal: String(network.internal),
    Labels: Object.entries(network.labels).map(([name, value]) => `${name}=${value}`).join(","),
    Name: network.name,
    Scope: "local",
    Mode: network.mode,
    Parent: network.parent,
    Subnets: network.subnets.map(({ subnet }) => subnet).join(","),
  };
}

const command: Command = {
  usage: "[OPTIONS]",
  example: "ipvlan network ls --filter name=ipvlan",
  options: [
    { name: "quiet", short: "q", help: "print the ids alone" },
    { name: "no-trunc", help: "print the ids in full" },
    {
      ...{ name: "filter", short: "f", value: "KEY=VALUE", many: true },
      help: "only those with this name (a part is enough), id, driver, label, or dangling=true",
    },
    { name: "format", value: "FORMAT", help: "table, or json: an object per line" },
    { name: "json", help: "the same as --format json" },
  ],
  words: [0, 0],
  async run(words, { open, print }) {
    const format = readFormat(words);
    const filters = readFilters(words.values("filter"));
    await using driver = await open();
    const networks = filterNetworks(driver, filters);
    const id = (network: Network) => words.on("no-trunc") ? network.id : network.id.slice(0, 12);
    if (words.on("quiet")) networks.forEach((network) => print(id(network)));
    else if (format === "json") networks.forEach((network) => print(JSON.stringify(row(network))));
    else {
      print(table(
        ["NETWORK ID", "NAME", "DRIVER", "MODE", "PARENT", "SUBNETS"],
        networks.map((network) => {
          const { Name = "", Driver = "", Mode = "", Parent = "", Subnets = "" } = row(network);
          return [id(network), Name, Driver, Mode, Parent, Subnets];
        }),
      ));
    }
    return 0;
  },
};
export default command;
