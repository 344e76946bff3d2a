// Reads `--network` of `run`: networks, with or without options of their own, or one of Docker's
// special words.
import type { Connection } from "../driver/model/types.ts";
import { invalidOption, type IpvlanError } from "../base/errors.ts";
import type { Arguments } from "./command.ts";
import { readEndpoint } from "./option_values.ts";

/** The sandbox that a command runs in: a new one with connections, or an existing one. */
export type Target = { connections: Connection[]; inside?: undefined } | { inside: string };

const NO_DEFAULT = "no network is there from the start: name one of those that ipvlan network ls " +
  "lists";

/** Docker's predefined networks, which do not exist here. */
const PREDEFINED: Readonly<Record<string, string>> = {
  host: "it is this machine's own network: run the command without ipvlan",
  bridge: NO_DEFAULT,
  default: NO_DEFAULT,
};

/** The keys of `--network name=NETWORK,ip=ADDRESS`. */
const KEYS = "name alias driver-opt gw-priority ip ip6 link-local-ip mac-address route".split(" ");

/** Reads the networks of `run`. Addresses and names in its other options are for the first one. */
export function readTarget(
  networks: readonly string[],
  args: Arguments,
  problems: IpvlanError[],
): Target {
  const first = readEndpoint(args, problems);
  const refuse = (value: string, rule: string) => {
    problems.push(invalidOption("network", value, rule));
  };
  const connections: Connection[] = [];
  for (const [index, text] of networks.entries()) {
    const inside = /^container:(.*)$/.exec(text)?.[1];
    if (networks.length > 1 && (text === "none" || inside !== undefined)) {
      refuse(text, "it does not go with another network");
    } else if (inside !== undefined) {
      return { inside };
    } else if (Object.hasOwn(PREDEFINED, text)) {
      refuse(text, PREDEFINED[text]!);
    } else if (text !== "none") {
      const { network, ...own } = readNetworkOption(text, problems);
      const general = index === 0 ? first : {};
      for (const key of Object.keys(own)) {
        if (key in general && key !== "aliases") {
          refuse(text, "one of its options is given by an option of run too");
        }
      }
      const aliases = [...general.aliases ?? [], ...own.aliases ?? []];
      connections.push({ ...general, ...own, aliases, network });
    }
  }
  return { connections };
}

function readNetworkOption(text: string, problems: IpvlanError[]): Connection {
  if (!text.includes("=")) return { network: text };
  const pairs = text.split(",").map((word) => /^([^=]+)=(.+)$/s.exec(word)?.slice(1) ?? []);
  if (pairs.some(([key = ""]) => !KEYS.includes(key))) {
    const rule = `write KEY=VALUE with commas between them; the keys are ${KEYS.join(", ")}`;
    problems.push(invalidOption("network", text, rule));
    return { network: "" };
  }
  const values = (key: string) => pairs.filter(([each]) => each === key).map(([, value]) => value!);
  const value = (key: string) => values(key).at(-1);
  const options = readEndpoint({ value, values, on: () => false }, problems);
  const network = value("name");
  if (network === undefined) {
    problems.push(invalidOption("network", text, "give its name: name=NETWORK"));
  }
  return { ...options, network: network ?? "" };
}
