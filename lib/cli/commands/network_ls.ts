import type { Network } from "../../driver/model/types.ts";
import type { Command } from "../command.ts";
import { networkFields } from "../docker/shape.ts";
import { readNetworkFilter } from "../docker/filter.ts";
import { FORMAT_OPTIONS, printList, readFormat } from "../docker/list.ts";
import { networkColumns } from "../tables.ts";

export default {
  usage: "[OPTIONS]",
  example: "ipvlan network ls --filter name=ipvlan\n" +
    "ipvlan network ls --format 'table {{.Name}}\\t{{.Subnets}}'",
  options: {
    "-q, --quiet": "print only the ids",
    "--no-trunc": "print the ids in full",
    "-f, --filter KEY=VALUE...":
      "list only those with this name (a part is enough), id, driver, label, or dangling=true",
    ...FORMAT_OPTIONS,
  },
  async run(args, { open, print }) {
    const format = readFormat(args);
    const isListed = readNetworkFilter(args.values("filter"));
    await using driver = await open();
    const networks = driver.listNetworks().filter((network) => isListed(network, driver));
    const id = (network: Network) => args.on("no-trunc") ? network.id : network.id.slice(0, 12);
    const listing = {
      key: id,
      fields: networkFields(id),
      headers: { ID: "NETWORK ID" },
      columns: networkColumns(networks, id),
    };
    printList(networks, format, listing, print);
  },
} satisfies Command;
