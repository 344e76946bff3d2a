// Networks that exist only with a container: CNI and netavark have no call that removes a network.
import { isDeepStrictEqual } from "node:util";
import {
  type BorrowSpec,
  type Connection,
  type EngineDriver,
  type MadeEndpoint,
  type Network,
  type Outcome,
  type SandboxDetails,
  type SettledNetwork,
  type Settlement,
  toSettled,
} from "../driver/mod.ts";
import { OPTION_NAMES } from "../driver/model/options.ts";
import {
  hasProblem,
  IpvlanError,
  isIpvlanError,
  throwProblems,
  unlessError,
} from "../base/errors.ts";

export interface AttachmentSpec extends Omit<BorrowSpec, "connections"> {
  connection: Omit<Connection, "network">;
}

/** Connects a sandbox of an engine to a network, by its settings or name. Makes both if needed. */
export async function attach(
  driver: EngineDriver,
  network: Settlement | string,
  { connection, ...sandbox }: AttachmentSpec,
): Promise<Outcome<MadeEndpoint>> {
  if (typeof network === "string") {
    return await connect(driver, sandbox, { ...connection, network });
  }
  const { name } = network.network;
  for (;;) {
    const notices = await requireNetwork(driver, network);
    try {
      const outcome = await connect(driver, sandbox, { ...connection, network: name });
      return { value: outcome.value, notices: [...notices, ...outcome.notices] };
    } catch (error) {
      // Another process has just removed the network with its last sandbox.
      if (isIpvlanError(error, "network-not-found") && error.network === name) continue;
      await driver.removeUnused(name);
      throw error;
    }
  }
}

/** Waits for running calls, and removes what killed ones left of a network or a sandbox on it. */
export async function recover(
  driver: EngineDriver,
  network: string,
  sandbox?: string,
): Promise<void> {
  const only = sandbox === undefined ? undefined : { sandbox, network };
  if (driver.hasUnfinished(only)) await driver.recover();
  await removeLeft(driver, network);
}

/** Removes a transient network that a killed call left unused. Whether it is gone. */
export async function removeLeft(driver: EngineDriver, name: string): Promise<boolean> {
  await driver.removeUnused(name);
  return driver.findNetwork(name) === undefined;
}

/** Makes a network if it does not exist. Resolves to the notices. */
async function requireNetwork(driver: EngineDriver, settled: Settlement): Promise<string[]> {
  const { network, problems } = settled;
  for (;;) {
    const found = driver.findNetwork(network.name);
    if (!found) {
      const made = await unlessError(["network-exists"], () => driver.createSettled(settled));
      if (made) return made.notices;
      continue;
    }
    throwProblems(problems);
    const settings = differences(network, found);
    if (settings.length === 0) return [];
    if (await removeLeft(driver, network.name)) continue;
    throw new IpvlanError("network-differs", { network: network.name, settings });
  }
}

/** Lists the settings in which a network differs from the one that is asked for. */
export function differences(wanted: SettledNetwork, network: Network): string[] {
  const found = toSettled(network);
  const different: string[] = [...OPTION_NAMES, "subnets" as const].filter((setting) =>
    // A default pool was chosen when the network was made.
    !(setting === "subnets" && wanted.subnets.length === 0) &&
    !isDeepStrictEqual(wanted[setting], found[setting])
  );
  // The members of etcd may have changed. The prefix alone identifies the addresses.
  const pool = ({ ipam }: Pick<Network, "ipam">) => ipam && (ipam.access.prefix ?? "");
  return pool(wanted) === pool(found) ? different : [...different, "ipam"];
}

/** Connects a sandbox, and makes it if it does not exist. */
async function connect(
  driver: EngineDriver,
  sandbox: Omit<BorrowSpec, "connections">,
  connection: Connection,
): Promise<Outcome<MadeEndpoint>> {
  const { network, ...options } = connection;
  for (;;) {
    try {
      const { value, notices } = await driver.borrowSandbox({
        ...sandbox,
        connections: [connection],
      });
      return { value: value.endpoints[0]!, notices };
    } catch (error) {
      if (!hasProblem(error, "sandbox-exists")) throw error;
    }
    // Another process may just have removed it.
    const connecting = () => driver.connect(network, sandbox.name, options);
    const made = await unlessError(["sandbox-not-found"], connecting);
    if (made) return made;
  }
}

export async function findSandbox(
  driver: EngineDriver,
  name: string,
): Promise<SandboxDetails | undefined> {
  const codes = ["sandbox-not-found", "half-done"] as const;
  return await unlessError(codes, () => driver.inspectSandbox(name));
}

/** Disconnects a sandbox. With its last link goes the sandbox, and then a transient network. */
export async function detach(driver: EngineDriver, sandbox: string, ifname: string): Promise<void> {
  await unlessError(["sandbox-not-found"], async () => {
    const { endpoints } = driver.inspectSandbox(sandbox);
    const endpoint = endpoints.find((each) => each.ifname === ifname);
    if (!endpoint) return;
    if (endpoints.length === 1) await driver.removeSandbox(sandbox);
    else await driver.disconnect(endpoint.network, sandbox, ifname);
  });
}
