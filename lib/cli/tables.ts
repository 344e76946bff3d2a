// The columns of the usual tables. What engines own adds a column, and so do shared addresses:
// without these, a table is as it always was.
import type { Network, Owner, SeenSandbox } from "../driver/model/types.ts";
import { ownerText } from "../engine/owners.ts";
import { endpointAddresses } from "../ipam/address.ts";
import type { Listing } from "./docker/list.ts";

/** The columns of `network ls`. */
export function networkColumns(
  networks: readonly Network[],
  id: (network: Network) => string,
): Listing<Network>["columns"] {
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

/** The columns of `ps`. @param containers The names of Docker's, by the ids of their endpoints. */
export function sandboxColumns(
  sandboxes: readonly SeenSandbox[],
  name: (sandbox: SeenSandbox) => string,
  containers: ReadonlyMap<string, string>,
): Listing<SeenSandbox>["columns"] {
  return {
    NAME: name,
    CREATED: ({ created }) => created.slice(0, 19).replace("T", " "),
    STATUS: ({ state }) => state,
    NETWORKS: ({ endpoints }) => endpoints.map(endpointText).join(", "),
    ...ownerColumn(sandboxes, containers),
  };
}

/** An endpoint in half a line. Says what is wrong with it, if there is something. */
function endpointText(endpoint: SeenSandbox["endpoints"][number]): string {
  const { network, state } = endpoint;
  const words = [network, ...endpointAddresses(endpoint)];
  if (state !== "up") words.push(`(${state})`);
  return words.join(" ");
}

/** The column of owners, if one of the rows has an owner. */
function ownerColumn(
  rows: readonly { owner?: Owner }[],
  containers?: ReadonlyMap<string, string>,
): Record<string, (row: { owner?: Owner }) => string> {
  if (!rows.some(({ owner }) => owner)) return {};
  return { OWNER: ({ owner }) => owner ? ownerText(owner, containers?.get(owner.id)) : "" };
}
