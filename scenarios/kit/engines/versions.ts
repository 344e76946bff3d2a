import type { BundleName } from "../../../lab/fetch/bundles.ts";
import { succeed } from "../program.ts";

/** A program, and the command that prints its version. */
interface Program {
  /** Its name. */
  name: string;
  /** The command; the first number with dots in its output is the version. */
  command: [program: string, ...args: string[]];
}

const DOCKER: Program = { name: "Docker", command: ["dockerd", "--version"] };
const CONTAINERD: Program = { name: "containerd", command: ["containerd", "--version"] };
const PODMAN: Program = { name: "Podman", command: ["podman", "--version"] };

/** The programs of each bundle whose versions a report names. */
const PROGRAMS: Readonly<Record<BundleName, readonly Program[]>> = {
  docker20: [DOCKER],
  docker26: [DOCKER],
  containerd16: [CONTAINERD],
  containerd21: [CONTAINERD],
  podman4: [PODMAN],
  podman5: [
    PODMAN,
    { name: "netavark", command: ["/usr/lib/podman/netavark", "--version"] },
  ],
  etcd: [{ name: "etcd", command: ["etcd", "--version"] }],
  // BIRD prints its version on standard error.
  bird: [{ name: "BIRD", command: ["sh", "-c", "bird --version 2>&1"] }],
  iptables: [{ name: "iptables", command: ["iptables", "--version"] }],
  iperf3: [{ name: "iperf3", command: ["iperf3", "--version"] }],
  frr: [{ name: "FRR", command: ["/usr/lib/frr/zebra", "--version"] }],
  dnsmasq: [{ name: "dnsmasq", command: ["dnsmasq", "--version"] }],
  tcpdump: [{ name: "tcpdump", command: ["tcpdump", "--version"] }],
  // The first line is "systemd 252 (252.39-1)".
  systemd: [{ name: "systemd", command: ["systemctl", "--version"] }],
};

/** Reads the versions of the programs of bundles: `Podman 5.4.2`. */
export async function readVersions(bundles: readonly BundleName[]): Promise<string[]> {
  return await Promise.all(
    bundles.flatMap((bundle) => PROGRAMS[bundle]).map(async ({ name, command }) => {
      const output = await succeed(...command);
      return `${name} ${/\d+(\.\d+)+/.exec(output)?.[0] ?? output}`;
    }),
  );
}
