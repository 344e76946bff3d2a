// The columns of the usual tables. Only if engines own something or hosts share addresses, a table
// gets a column more.
import type { Network, Owner, SeenSandbox } from "../driver/model/types.ts";
import { ownerText } from "../engine/owners.ts";
import { endpointAddresses } from "../ipam/address.ts";
import type { Columns } from "./docker/list.ts";

export function networkColumns(
  networks: readonly Network[],
  id: (network: Network) => string,
): Columns<Network> {
  return {
    "NETWORK ID": id,
    NAME: ({ name }) => name,
    DRIVER: () => "ipvlan",
    MODE: ({ mode }) => mode,
    PARENT: ({ parent }) => parent,
    SUBNETS: ({ subnets }) => subnets.map(({ subnet }) => subnet).join(","),
    ...networks.some(({ ipam }) => ipam) && { IPAM: ({ ipam }) => ipam?.driver ?? "default" },
    ...ownerColumn(networks),
  };
}

/** The columns of `ps`. @param containers Names of Docker containers, by endpoint id. */
export function sandboxColumns(
  sandboxes: readonly SeenSandbox[],
  name: (sandbox: SeenSandbox) => string,
  containers: ReadonlyMap<string, string>,
): Columns<SeenSandbox> {
  return {
    NAME: name,
    CREATED: ({ created }) => created.slice(0, 19).replace("T", " "),
    STATUS: ({ state }) => state,
    NETWORKS: ({ endpoints }) =>
      endpoints.map((endpoint) => {
        const { network, state } = endpoint;
        const fault = state === "up" ? [] : [`(${state})`];
        return [network, ...endpointAddresses(endpoint), ...fault].join(" ");
      }).join(", "),
    ...ownerColumn(sandboxes, containers),
  };
}

/** The column of owners, if any row has one. */
function ownerColumn(
  rows: readonly { owner?: Owner }[],
  containers?: ReadonlyMap<string, string>,
): Record<string, (row: { owner?: Owner }) => string> {
  if (!rows.some(({ owner }) => owner)) return {};
  return { OWNER: ({ owner }) => owner ? ownerText(owner, containers?.get(owner.id)) : "" };
}
