import { isOwned } from "../../driver/model/names.ts";
import type { Driver, Network } from "../../driver/mod.ts";
import { shortName } from "../../engine/owners.ts";
import { invalidOption, IpvlanError, unlessError } from "../../base/errors.ts";
import type { Command } from "../command.ts";
import { unlessRemoved } from "../end.ts";
import { inspectedSandbox } from "../docker/shape.ts";
import { type Find, INSPECT_OPTIONS, networkFinder, showInFull } from "./network_inspect.ts";

const FINDERS: Readonly<Record<string, (driver: Driver) => Find>> = {
  container: sandboxFinder,
  network: networkFinder,
};

/** Finds sandboxes. It lists all sandboxes only once. */
function sandboxFinder(driver: Driver): Find {
  let networks: Network[] | undefined;
  return async (typed) => {
    // The name of an engine's sandbox may be shortened to the digits that `ps` shows.
    const known = isOwned(typed) ? driver.listSandboxes() : [];
    const { name } = known.find(({ name }) => shortName(name) === typed) ?? { name: typed };
    let [pids, [sandbox]] = await Promise.all([
      driver.processes(name),
      driver.seeSandboxes([name]),
    ]);
    networks ??= driver.listNetworks();
    if (pids.length > 0) return inspectedSandbox(sandbox!, networks, pids);
    const status = await unlessRemoved(() => driver.exitStatus(sandbox!.id));
    // A command may have started meanwhile.
    if (status !== undefined) pids = await driver.processes(name);
    return inspectedSandbox(sandbox!, networks, pids, pids.length > 0 ? 0 : status);
  };
}

/** Finds the sandbox of a name, else the network, as Docker does. */
function anyFinder(driver: Driver): Find {
  const findSandbox = sandboxFinder(driver);
  const findNetwork = networkFinder(driver);
  return async (name) => {
    const found = await unlessError(["sandbox-not-found"], () => findSandbox(name)) ??
      await unlessError(["network-not-found"], () => findNetwork(name));
    if (found) return found;
    const known = [...driver.listSandboxes(), ...driver.listNetworks()].map(({ name }) => name);
    throw new IpvlanError("unknown-name", { subject: name, known });
  };
}

export default {
  usage: "[OPTIONS] NETWORK|SANDBOX [NETWORK|SANDBOX...]",
  example: "ipvlan inspect nginx\n" +
    "ipvlan inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' nginx",
  options: {
    ...INSPECT_OPTIONS,
    "--type TYPE": "show only a container (a sandbox), or only a network",
  },
  asks: true,
  async run(args, context) {
    const type = args.value("type");
    if (type !== undefined && !Object.hasOwn(FINDERS, type)) {
      const rule = `choose one of ${Object.keys(FINDERS).join(", ")}`;
      throw invalidOption("type", type, rule);
    }
    return await showInFull(args, context, type === undefined ? anyFinder : FINDERS[type]!);
  },
} satisfies Command;
