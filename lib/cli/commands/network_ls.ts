import type { Network } from "../../driver/types.ts";
import { familyOf } from "../../ipam/address.ts";
import type { Command } from "../command.ts";
import { filterNetworks, FORMAT_OPTIONS, printList, readFilters, readFormat } from "../list.ts";

/** A network under the keys that `docker network ls --format json` prints, and ipvlan's own. */
function toDocker(network: Network): Record<string, string> {
  return {
    CreatedAt: network.created,
    Driver: "ipvlan",
    ID: shortId(network),
    IPv6: String(network.subnets.some(({ subnet }) => familyOf(subnet) === 6)),
    Internal: String(network.internal),
    Labels: Object.entries(network.labels).map(([name, value]) => `${name}=${value}`).join(","),
    Name: network.name,
    Scope: "local",
    Mode: network.mode,
    Parent: network.parent,
    Subnets: subnetsOf(network),
  };
}

function shortId({ id }: Network): string {
  return id.slice(0, 12);
}

function subnetsOf({ subnets }: Network): string {
  return subnets.map(({ subnet }) => subnet).join(",");
}

const command: Command = {
  usage: "[OPTIONS]",
  example: "ipvlan network ls --filter name=ipvlan",
  options: [
    { name: "quiet", short: "q", help: "print only the ids" },
    { name: "no-trunc", help: "print the ids in full" },
    {
      name: "filter",
      short: "f",
      value: "KEY=VALUE",
      many: true,
      help:
        "list only those with this name (a part is enough), id, driver, label, or dangling=true",
    },
    ...FORMAT_OPTIONS,
  ],
  positionals: [0, 0],
  async run(args, { open, print }) {
    const format = readFormat(args);
    const filters = readFilters(args.values("filter"));
    await using driver = await open();
    const id = (network: Network) => args.on("no-trunc") ? network.id : shortId(network);
    printList(
      filterNetworks(driver, filters),
      format,
      {
        key: id,
        json: toDocker,
        columns: {
          "NETWORK ID": id,
          NAME: ({ name }) => name,
          DRIVER: () => "ipvlan",
          MODE: ({ mode }) => mode,
          PARENT: ({ parent }) => parent,
          SUBNETS: subnetsOf,
        },
      },
      print,
    );
    return 0;
  },
};
export default command;
