import { isIpvlanError } from "../../lib/base/errors.ts";
import { type Driver, IpvlanError, type NetworkSpec } from "../../mod.ts";
import type { Random } from "./random.ts";

/** Networks that get in each other's way: on one parent, on its VLANs, and with few addresses. */
const NETWORKS: NetworkSpec[] = [
  { name: "n0", parent: "eth0.20", subnets: ["10.20.0.0/29", "fd20::/64"] },
  { name: "n1", subnets: ["10.21.0.0/24"] },
  { name: "n2", parent: "eth0", subnets: ["10.22.0.0/24"] },
  { name: "n3", parent: "eth0.20.30", subnets: ["10.23.0.0/28"] },
  { name: "n4", parent: "eth0.20", subnets: ["10.24.0.0/24"] },
];

const SANDBOXES = ["c0", "c1", "c2", "c3", "c4", "c5"];

/** Makes a random call. Resolves to its error, if that is one of ours, and throws any other. */
export async function randomCall(driver: Driver, random: Random): Promise<IpvlanError | undefined> {
  const network = random.pick(NETWORKS);
  const sandbox = random.pick(SANDBOXES);
  const connections = random.several(2, () => ({ network: random.pick(NETWORKS).name }));
  const calls: (() => Promise<unknown>)[] = [
    () => driver.createNetwork(network),
    () => driver.createNetwork(network),
    () => driver.createSandbox({ name: sandbox, connections }),
    () => driver.createSandbox({ name: sandbox, connections }),
    () => driver.connect(network.name, sandbox, { aliases: random.several(1, () => "db") }),
    () => driver.connect(network.name, sandbox, { ip: `10.20.0.${random.below(8)}` }),
    () => driver.disconnect(network.name, sandbox),
    () => driver.removeSandbox(sandbox, random.pick(["leave", "refuse", "kill"])),
    () => driver.removeNetwork(network.name),
    () => {
      const labels = { a: String(random.below(9)) };
      return driver.label([{ kind: "sandbox", name: sandbox, labels }]);
    },
    ...random.once(4) ? [() => driver.restore(), () => driver.pruneNetworks()] : [],
  ];
  try {
    await random.pick(calls)();
  } catch (error) {
    if (error instanceof IpvlanError) return error;
    throw error;
  }
}

/** Whether an error says that the driver is at fault, or the world is broken, in a world that is not. */
export function isAlarming(error: IpvlanError): boolean {
  return isIpvlanError(
    error,
    "session-closed",
    "not-undone",
    "store-unusable",
    "hosts-file",
    "half-done",
  );
}
