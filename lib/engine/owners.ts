import { shellLine } from "../base/printable.ts";
import type { EngineName, Owner } from "../driver/model/types.ts";
import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";

/** The number of digits of an id that the engines' own commands show. */
const SHORT = 12;

/** How engines are called, and how their users remove a network and a sandbox. */
const ENGINES: Readonly<
  Record<EngineName, {
    title: string;
    removeNetwork(name: string, id: string): string;
    removeSandbox(id: string): string;
  }>
> = {
  docker: {
    title: "Docker",
    removeNetwork: (_name, id) => shellLine`docker network rm ${id.slice(0, SHORT)}`,
    removeSandbox: () => "docker network disconnect NETWORK CONTAINER",
  },
  cni: {
    title: "CNI",
    removeNetwork: () =>
      "remove the containers or pods on it, and release what it reserves: it goes with the last",
    removeSandbox: (id) => `remove the container or pod ${id.slice(0, SHORT)}`,
  },
  netavark: {
    title: "Podman",
    removeNetwork: (name) => shellLine`podman network rm ${name}`,
    removeSandbox: (id) => shellLine`podman rm --force ${id.slice(0, SHORT)}`,
  },
};

/** The name of an engine for users: `Podman` for `netavark`. */
export function engineTitle(engine: EngineName): string {
  return ENGINES[engine].title;
}

/** The owner of a network or a sandbox, with its name or id there: `Docker 3e458d0718ee`. */
export function ownerText({ engine, id }: Owner, name = id.slice(0, SHORT)): string {
  return `${engineTitle(engine)} ${name}`;
}

/** The name of a sandbox, with an id as short as the engine's own commands show it. */
export function shortName(name: string): string {
  return name.replace(/^(\w+:[0-9a-f]{12})[0-9a-f]{52}$/, "$1");
}

export function ownedByEngine(
  what: "network" | "sandbox",
  name: string,
  { engine, id }: Owner,
): IpvlanErrorOf<"owned-by-engine"> {
  const { title, removeNetwork, removeSandbox } = ENGINES[engine];
  const ownName = name.slice(name.indexOf(":") + 1);
  const removal = what === "network" ? removeNetwork(ownName, id) : removeSandbox(id);
  return new IpvlanError("owned-by-engine", { what, subject: name, engine: title, removal });
}
