import { toDriverOptions } from "../../driver/options.ts";
import type { NetworkDetails } from "../../driver/types.ts";
import { familyOf } from "../../ipam/address.ts";
import type { Command } from "../command.ts";
import { forEachName } from "../errors.ts";

/** A network under the keys that `docker network inspect` prints. */
function toDocker(network: NetworkDetails): Record<string, unknown> {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: "local",
    Driver: "ipvlan",
    EnableIPv4: true,
    EnableIPv6: network.subnets.some(({ subnet }) => familyOf(subnet) === 6),
    IPAM: {
      Driver: "default",
      Options: {},
      Config: network.subnets.map(({ subnet, ipRange, gateway, auxAddresses }) => ({
        Subnet: subnet,
        ...(ipRange === undefined ? {} : { IPRange: ipRange }),
        ...(gateway === undefined ? {} : { Gateway: gateway }),
        ...(Object.keys(auxAddresses).length === 0 ? {} : { AuxiliaryAddresses: auxAddresses }),
      })),
    },
    Internal: network.internal,
    Attachable: false,
    Ingress: false,
    Containers: Object.fromEntries(
      network.endpoints.map(({ sandbox, ifname, ip = "", ip6 = "" }) => [sandbox, {
        Name: sandbox,
        Interface: ifname,
        IPv4Address: ip,
        IPv6Address: ip6,
      }]),
    ),
    Options: toDriverOptions(network),
    Labels: network.labels,
  };
}

const command: Command = {
  usage: "NETWORK [NETWORK...]",
  example: "ipvlan network inspect ipvlan20",
  options: [],
  positionals: [1, Infinity],
  async run(args, context) {
    await using driver = await context.open();
    const found: unknown[] = [];
    const status = await forEachName(args.positionals, context, (name) => {
      found.push(toDocker(driver.inspectNetwork(name)));
    });
    context.print(JSON.stringify(found, null, 4));
    return status;
  },
};
export default command;
