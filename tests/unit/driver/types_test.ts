// What cannot be asked of the driver does not compile: see `tests/unit/iproute2/types_test.ts`.
import type { AdoptSpec, NetworkSpec } from "../../../mod.ts";

/** Networks. Only engines give the addresses, and then there are no subnets. */
export const networks: NetworkSpec[] = [
  { name: "n", subnets: ["10.0.0.0/24"] },
  // @ts-expect-error An engine's network.
  { name: "n", foreignAddresses: true, subnets: ["10.0.0.0/24"] },
  // @ts-expect-error There is no such mode.
  { name: "n", mode: "l4" },
];

/** Namespaces to adopt: by a process or by name. */
export const adopted: AdoptSpec[] = [
  { name: "c", pid: 5 },
  // @ts-expect-error An engine's namespace.
  { name: "c", pid: 5, path: "/run/netns/cni-1" },
];
