/**
 * The programs that the lab can bring into a guest: their Debian packages, and their requirements for
 * the guest. Plain data, and pure functions on it.
 *
 * @module
 */
import { DEBIAN_RELEASES, type DebianRelease } from "./apt.ts";
import { DEBIAN_KERNELS } from "../kernels.ts";
import { isOlder } from "../uml/kernels.ts";

/** Programs that belong together, with their requirements for a guest. */
export interface Bundle {
  /** The programs in words, with their version. */
  what: string;
  /** MB to download, without the package lists (10 MB for each release), as of 2026-11. */
  megabytes: number;
  /** The packages of each release. Those whose names begin with `lib` are libraries. */
  packages: { readonly [R in DebianRelease]?: readonly string[] };
  /** The release whose C library the programs need. @default {undefined} Any. */
  libc?: DebianRelease;
  /** The kernel modules that they need. */
  modules: readonly string[];
  /** The least memory of the guest, in MiB. */
  memory: number;
  /** Users to add, each with a group of the same name: from the user to its second group, if any. */
  users?: Readonly<Record<string, string | undefined>>;
  /**
   * Folders to hide behind empty ones in memory, for the machine's own data and settings. `~` is the
   * home of the user.
   */
  folders?: readonly string[];
  /** Symbolic links to make: from a path to its target, as ln(1) takes it. */
  links?: Readonly<Record<string, string>>;
  /** Files to write: from a path to its text. */
  files?: Readonly<Record<string, string>>;
}

/** iptables(8), and the libraries that a small machine may lack. */
const IPTABLES = [
  ...["iptables", "libip4tc2", "libip6tc2", "libxtables12", "libmnl0", "libnftnl11"],
  ...["libnetfilter-conntrack3", "libnfnetlink0"],
];

/** The older interface of iptables. User-Mode Linux has no nft families for the newer one. */
const LEGACY_IPTABLES = Object.fromEntries(
  ["iptables", "ip6tables"].flatMap((name) => [name, `${name}-save`, `${name}-restore`])
    .map((name) => [`/usr/sbin/${name}`, "xtables-legacy-multi"]),
);

/** The requirements of both versions of Docker. */
const DOCKER = {
  // Docker answers a container's DNS queries by NAT in the container's namespace.
  modules: ["iptable_nat", "overlay"],
  memory: 1024,
  // Docker cannot store layers on the guest's root, because overlays do not nest.
  folders: ["/etc/docker", "/var/lib/docker", "/var/lib/containerd", "~/.docker"],
  links: { ...LEGACY_IPTABLES, "/usr/sbin/docker-init": "/usr/bin/tini-static" },
  files: {
    "/etc/docker/daemon.json": JSON.stringify({
      "storage-driver": "overlay2",
      bridge: "none",
      iptables: false,
      ip6tables: false,
    }),
  },
} as const;

/** The requirements of both versions of containerd. */
const CONTAINERD = {
  modules: ["overlay"],
  memory: 1024,
  folders: ["/etc/containerd", "/etc/cni", "/opt/cni", "/var/lib/containerd", "/var/lib/cni"],
  // containerd looks for plugins in /opt/cni/bin, and Debian puts them here.
  links: { "/opt/cni/bin": "/usr/lib/cni" },
} as const;

/** The requirements of both versions of Podman. */
const PODMAN = {
  // Only bridge networks need NAT, and iptable_nat for it.
  modules: ["overlay"],
  memory: 1024,
  folders: [
    ...["/etc/containers", "/etc/cni", "/var/lib/containers", "/var/lib/cni"],
    "~/.config/containers",
  ],
  links: LEGACY_IPTABLES,
} as const;

/** The files that tell Podman to use a network backend and a runtime. Nothing verifies images. */
function podmanFiles(
  backend: string,
  runtime: string,
  network: readonly string[] = [],
): Record<string, string> {
  return {
    "/etc/containers/policy.json": '{"default":[{"type":"insecureAcceptAnything"}]}\n',
    "/etc/containers/containers.conf": [
      "[engine]",
      'cgroup_manager = "cgroupfs"',
      'events_logger = "file"',
      `runtime = "${runtime}"`,
      "[network]",
      `network_backend = "${backend}"`,
      ...network,
    ].map((line) => `${line}\n`).join(""),
  };
}

/** conmon(8) of Debian 12, with its libraries. That of Debian 13 wants a newer GLib. */
const CONMON = ["conmon", "libglib2.0-0", "libpcre2-8-0", "libffi8"];

/** runc(8) of Debian 12. crun 1.8 fails with Docker 26. */
const RUNC = ["runc", "libseccomp2"];

/** The bundles by their names, as `--with` takes them. */
export const BUNDLES = {
  docker20: {
    what: "Docker 20.10, of Debian 12",
    megabytes: 66,
    packages: {
      bookworm: ["docker.io", "containerd", "tini", "libdevmapper1.02.1", ...RUNC, ...IPTABLES],
    },
    ...DOCKER,
  },
  docker26: {
    what: "Docker 26.1 with Compose, of Debian 13",
    megabytes: 80,
    packages: {
      bookworm: ["tini", ...RUNC, ...IPTABLES],
      trixie: ["docker.io", "docker-cli", "docker-compose", "containerd"],
    },
    ...DOCKER,
  },
  containerd16: {
    what: "containerd 1.6 with ctr and the CNI plugins, of Debian 12",
    megabytes: 36,
    packages: { bookworm: ["containerd", "containernetworking-plugins", ...RUNC] },
    ...CONTAINERD,
  },
  containerd21: {
    what: "containerd 2.1 with ctr and the CNI plugins, of Debian forky",
    megabytes: 43,
    packages: { bookworm: RUNC, forky: ["containerd", "containernetworking-plugins"] },
    ...CONTAINERD,
  },
  podman4: {
    what: "Podman 4.3 with CNI, of Debian 12",
    megabytes: 24,
    packages: {
      bookworm: [
        ...["podman", "golang-github-containers-common", "golang-github-containers-image"],
        ...["containernetworking-plugins", "libdevmapper1.02.1", "libsubid4", "libgpgme11"],
        ...["libassuan0", "libgpg-error0", ...CONMON, ...RUNC, ...IPTABLES],
      ],
    },
    ...PODMAN,
    files: podmanFiles("cni", "runc", ['cni_plugin_dirs = ["/opt/cni/bin", "/usr/lib/cni"]']),
  },
  podman5: {
    what: "Podman 5.4 with netavark, of Debian 13",
    megabytes: 37,
    packages: {
      bookworm: [...CONMON, ...IPTABLES],
      trixie: [
        ...["podman", "golang-github-containers-common", "golang-github-containers-image"],
        ...["netavark", "aardvark-dns", "crun", "libyajl2", "libseccomp2", "libsubid5"],
        ...["libbsd0", "libmd0", "libgpgme11t64", "libassuan9", "libgpg-error0", "libsqlite3-0"],
      ],
    },
    libc: "trixie",
    ...PODMAN,
    files: podmanFiles("netavark", "crun", ['firewall_driver = "iptables"']),
  },
  etcd: {
    what: "etcd 3.4 with etcdctl, of Debian 12",
    megabytes: 14,
    packages: { bookworm: ["etcd-server", "etcd-client"] },
    modules: [],
    // Each member takes 123 MB of disk at its start, and half of the memory can be disk.
    memory: 1024,
    folders: ["/var/lib/etcd"],
  },
  frr: {
    what: "FRR 8.4 (zebra, bgpd, vtysh), of Debian 12",
    megabytes: 5,
    packages: {
      bookworm: [
        ...["frr", "libyang2", "libc-ares2", "libcap2", "libjson-c5", "libpcre2-8-0"],
        "libreadline8",
      ],
    },
    modules: [],
    memory: 512,
    users: { frr: "frrvty" },
    folders: ["/etc/frr"],
  },
  bird: {
    what: "BIRD 2.0 (bird, birdc), of Debian 12",
    megabytes: 3,
    packages: {
      bookworm: [
        ...["bird2", "libssh-gcrypt-4", "libreadline8", "libgcrypt20", "libgpg-error0"],
        ...["libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libkrb5support0", "libkeyutils1"],
      ],
    },
    modules: [],
    memory: 512,
    folders: ["/etc/bird"],
  },
  iptables: {
    what: "iptables 1.8 (legacy) of Debian 12",
    megabytes: 1,
    packages: { bookworm: IPTABLES },
    modules: [
      "iptable_nat",
      "iptable_filter",
      "iptable_mangle",
      "ip6table_mangle",
      "xt_conntrack",
      "xt_MASQUERADE",
    ],
    memory: 512,
    links: LEGACY_IPTABLES,
  },
  dnsmasq: {
    what: "dnsmasq 2.90, of Debian 12",
    megabytes: 1,
    packages: {
      bookworm: [
        ...["dnsmasq-base", "libnetfilter-conntrack3", "libnfnetlink0", "libnftables1"],
        ...["libnftnl11", "libmnl0", "libjansson4", "libdbus-1-3", "libhogweed6", "libnettle8"],
        ...["libgmp10", "libidn2-0", "libunistring2", "libxtables12", "libsystemd0", "libcap2"],
        ...["libgcrypt20", "libgpg-error0", "liblz4-1"],
      ],
    },
    modules: [],
    memory: 256,
  },
  iperf3: {
    what: "iperf3 3.12, of Debian 12",
    megabytes: 3,
    packages: { bookworm: ["iperf3", "libiperf0", "libsctp1", "libssl3"] },
    modules: [],
    // For 500 veth pairs and their bridge.
    memory: 512,
  },
  tcpdump: {
    what: "tcpdump 4.99, of Debian 12",
    megabytes: 3,
    packages: {
      bookworm: [
        ...["tcpdump", "libpcap0.8", "libssl3", "libdbus-1-3", "libsystemd0", "libcap2"],
        ...["libgcrypt20", "libgpg-error0", "liblz4-1"],
      ],
    },
    modules: [],
    memory: 256,
    // It reads files as this user.
    users: { tcpdump: undefined },
  },
  systemd: {
    what: "systemd 252, of Debian 12",
    megabytes: 6,
    packages: {
      bookworm: [
        ...["systemd", "libsystemd-shared", "libsystemd0", "libcryptsetup12", "libfdisk1"],
        ...["libkmod2", "libp11-kit0", "libffi8", "libseccomp2", "libgcrypt20", "libgpg-error0"],
        ...["libargon2-1", "libdevmapper1.02.1", "libjson-c5", "libaudit1", "libcap-ng0"],
      ],
    },
    modules: [],
    memory: 512,
    // The machine's own units do not start.
    folders: ["/etc/systemd"],
    // At its start, systemd would clean /tmp, which has the folders of the run (tmpfiles.d(5)).
    links: { "/etc/tmpfiles.d/tmp.conf": "/dev/null" },
  },
} as const satisfies Record<string, Bundle>;

/** The name of a bundle. */
export type BundleName = keyof typeof BUNDLES;

/** The names of the bundles. */
export const BUNDLE_NAMES = Object.keys(BUNDLES) as BundleName[];

/** The kernel modules that bundles need. */
export function bundleModules(names: readonly BundleName[]): string[] {
  return [...new Set(names.flatMap((name) => BUNDLES[name].modules))];
}

/** Whether a package has a library, by its name (Debian Policy, section 8.1). */
function isLibrary(name: string): boolean {
  return name.startsWith("lib");
}

/**
 * The reason why bundles cannot share a guest: two have the same program, from different releases.
 *
 * @returns A sentence; `undefined` if they can.
 */
export function bundleConflict(names: readonly BundleName[]): string | undefined {
  const seen = new Map<string, { bundle: BundleName; release: string }>();
  for (const bundle of names) {
    for (const { release, name } of packagesOf(bundle)) {
      const other = seen.get(name);
      if (other && other.release !== release && !isLibrary(name)) {
        return `Both ${other.bundle} and ${bundle} bring ${name}: choose one of them`;
      }
      seen.set(name, { bundle, release });
    }
  }
  return undefined;
}

/** A package of a release. */
interface ReleasePackage {
  release: DebianRelease;
  name: string;
}

function packagesOf(bundle: BundleName): ReleasePackage[] {
  const { packages }: Bundle = BUNDLES[bundle];
  return DEBIAN_RELEASES.flatMap((release) =>
    (packages[release] ?? []).map((name) => ({ release, name }))
  );
}

/** How a package gets into a guest. */
export interface PlannedPackage extends ReleasePackage {
  /**
   * `replace`: its files replace the machine's. `add`: only the files that the machine lacks are
   * added. `libc`: it is the C library, which needs care: every program uses it.
   */
  how: "replace" | "add" | "libc";
}

/**
 * Plans the packages of bundles for a machine, those of older releases first. A library of a release
 * that is not newer than the machine's replaces nothing: the machine's own programs may need more.
 *
 * @param libc The version of the machine's C library; `undefined` if it has another library.
 */
export function planPackages(
  names: readonly BundleName[],
  libc: string | undefined,
): PlannedPackage[] {
  const isNewer = (release: DebianRelease) => libc === undefined || isOlder(libc, libcOf(release));
  const planned = new Map<string, PlannedPackage>();
  for (const { release, name } of names.flatMap(packagesOf)) {
    const how = isLibrary(name) && !isNewer(release) ? "add" : "replace";
    planned.set(`${release} ${name}`, { release, name, how });
  }
  const wanted = names.map((name) => (BUNDLES[name] as Bundle).libc)
    .filter((release) => release !== undefined)
    .filter(isNewer)
    .toSorted(byAge).at(-1);
  if (wanted) planned.set("libc", { release: wanted, name: "libc6", how: "libc" });
  return [...planned.values()].toSorted((a, b) => byAge(a.release, b.release));
}

function byAge(a: DebianRelease, b: DebianRelease): number {
  return DEBIAN_RELEASES.indexOf(a) - DEBIAN_RELEASES.indexOf(b);
}

/** The version of a release's C library. */
function libcOf(release: DebianRelease): string {
  return DEBIAN_KERNELS.find((kernel) => kernel.release === release)!.libc;
}
