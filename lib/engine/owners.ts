/**
 * What the user has to know of an engine whose networks and sandboxes are here: what it is called, and
 * by which command it removes them.
 *
 * @module
 */
import { shellLine } from "../base/printable.ts";
import type { EngineName, Owner } from "../driver/model/types.ts";
import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";

/** How many digits of an id the engines' own commands show. */
const SHORT = 12;

/** What one engine is called, and how it removes what it owns. */
interface EngineWords {
  /** What it is called. */
  title: string;
  /** How it removes a network: a command, or what else to do. */
  networkRemoval(name: string, id: string): string;
  /** How it removes a sandbox. */
  sandboxRemoval(id: string): string;
}

const WORDS: Readonly<Record<EngineName, EngineWords>> = {
  docker: {
    title: "Docker",
    networkRemoval: (_name, id) => shellLine`docker network rm ${id.slice(0, SHORT)}`,
    sandboxRemoval: () => "docker network disconnect NETWORK CONTAINER",
  },
  cni: {
    title: "CNI",
    networkRemoval: () => "remove the containers or pods on it, and it goes with the last of them",
    sandboxRemoval: (id) => `remove the container or pod ${id.slice(0, SHORT)}`,
  },
  netavark: {
    title: "Podman",
    networkRemoval: (name) => shellLine`podman network rm ${name}`,
    sandboxRemoval: (id) => shellLine`podman rm --force ${id.slice(0, SHORT)}`,
  },
};

/** What an engine is called: `Podman` for `netavark`. */
export function engineTitle(engine: EngineName): string {
  return WORDS[engine].title;
}

/** The engine that owns a network or a sandbox, and its name or id there: `Docker 3e458d0718ee`. */
export function ownerText({ engine, id }: Owner, name = id.slice(0, SHORT)): string {
  return `${engineTitle(engine)} ${name}`;
}

/** The name of a sandbox, with as many digits of an id as the engine's own commands show. */
export function shortName(name: string): string {
  return name.replace(/^(\w+:[0-9a-f]{12})[0-9a-f]{52}$/, "$1");
}

/** Makes the error that a network or a sandbox belongs to an engine. */
export function ownedByEngine(
  what: "network" | "sandbox",
  name: string,
  { engine, id }: Owner,
): IpvlanErrorOf<"owned-by-engine"> {
  const { title, networkRemoval, sandboxRemoval } = WORDS[engine];
  const ownName = name.slice(name.indexOf(":") + 1);
  const removal = what === "network" ? networkRemoval(ownName, id) : sandboxRemoval(id);
  return new IpvlanError("owned-by-engine", { what, subject: name, engine: title, removal });
}
