import { toDriverOptions } from "../../driver/options.ts";
import type { NetworkDetails } from "../../driver/types.ts";
import type { Command } from "../command.ts";
import { eachOf } from "../each.ts";

/** A network under the keys that `docker network inspect` prints. */
function docker(network: NetworkDetails): Record<string, unknown> {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: "local",
    Driver: "ipvlan",
    EnableIPv4: true,
    EnableIPv6: network.subnets.some(({ subnet }) => subnet.includes(":")),
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
  words: [1, Infinity],
  async run(words, context) {
    await using driver = await context.open();
    const shown: unknown[] = [];
    const status = await eachOf(words.words, context, (name) => {
      shown.push(docker(driver.inspectNetwork(name)));
    });
    context.print(JSON.stringify(shown, null, 4));
    return status;
  },
};
export default command;
