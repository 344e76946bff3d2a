/**
 * Random worlds: hosts on a switch with ipvlan networks and sandboxes, a router, a machine of the LAN;
 * and what people get wrong about them.
 *
 * @module
 */
import fc from "fast-check";
import { type IPVLAN_FLAGS, IPVLAN_MODES } from "../../lib/iproute2/kinds/ipvlan.ts";

/** The VLANs of the LAN; 0 is untagged. */
const VLANS = [0, 20, 30] as const;

/** A machine of the LAN: its address in each VLAN that it is in, by the last part. */
export interface Machine {
  vlans: Partial<Record<typeof VLANS[number], number>>;
}

/** A network of ipvlan links on a parent of a host. */
export interface Net {
  /** The parent: the host's link in a VLAN, or a dummy. */
  parent: typeof VLANS[number] | "dummy";
  mode: typeof IPVLAN_MODES[number];
  flag: typeof IPVLAN_FLAGS[number];
  /** Whether it is in the VLAN's own subnet, or in one of its own. */
  isOwn: boolean;
}

export interface Endpoint {
  net: number;
  /** The length of its IPv4 prefix. */
  length: number;
  /** Whether it has a default route, and by which gateway: the network's, or a wrong one. */
  way: "gateway" | "none" | "wrong" | "device";
  isDown: boolean;
}

export interface Sandbox {
  endpoints: Endpoint[];
  sysctls: string[];
  rules: FirewallRule[];
}

/** A rule of iptables. */
export interface FirewallRule {
  family: 4 | 6;
  hook: typeof HOOKS[number];
  condition: string;
  target: string;
}

export interface Host {
  nets: Net[];
  sandboxes: Sandbox[];
  /** Its address in each VLAN; none where it is left out. */
  vlans: Machine["vlans"];
  sysctls: string[];
  rules: FirewallRule[];
  /** Whether its link is down. */
  isDown: boolean;
  /** Whether it answers on the LAN for sandboxes of the L3 modes in the LAN's own subnet. */
  isProxy: boolean;
}

/** The sizes that links may be too small for, and that are asked with. */
const SIZES = [1500, 1400, 1404, 1406, 1600] as const;

export interface WorldSpec {
  /** The bytes of the packets that are sent; left out, a few. */
  size?: number;
  /** The MTUs of links that have another one than 1500: `r eth0.20`, `sw p-h0`. */
  mtus: { at: number; mtu: number }[];
  hosts: Host[];
  /** The number of the link or namespace that fails at the end. */
  loss: number;
  /** The VLANs in which the router is the gateway; without forwarding, it is none. */
  router: { vlans: number[]; forwards: boolean; knows: boolean; rules: FirewallRule[] };
}

const often = <T>(usual: T, ...rare: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(usual) }, {
    weight: 1,
    arbitrary: fc.constantFrom(usual, ...rare),
  });

const HOOKS = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"] as const;

const CONDITIONS = {
  4: [
    "-s 10.0.0.0/24",
    "-d 10.0.0.0/24",
    "! -s 10.20.0.0/16",
    "-d 10.100.0.0/16",
    "-p icmp",
    "-p tcp",
  ],
  6: ["-s fd00:0::/64", "-d fd00:0::/64", "! -s fd00:20::/64", "-p icmpv6", "-p udp"],
  both: [
    ...["", "-i eth0", "-o eth0", "! -i lo", "-i eth+", "-o eth0.20"],
    ...["NEW", "ESTABLISHED", "INVALID", "NEW,UNTRACKED"].map((state) =>
      `-m conntrack --ctstate ${state}`
    ),
  ],
};

const firewallRule: fc.Arbitrary<FirewallRule> = fc.constantFrom(4, 6).chain((family) =>
  fc.record({
    family: fc.constant(family),
    hook: fc.constantFrom(...HOOKS),
    condition: fc.constantFrom(
      ...CONDITIONS[family],
      ...CONDITIONS.both,
      family === 4 ? "-p icmp --icmp-type 8" : "-p icmpv6 --icmpv6-type 129",
    ),
    target: fc.constantFrom("ACCEPT", "DROP", "RETURN", "OTHER"),
  })
).filter(({ hook, condition }) =>
  // iptables refuses these.
  !(condition.includes("-i ") && ["OUTPUT", "POSTROUTING"].includes(hook)) &&
  !(condition.includes("-o ") && ["INPUT", "PREROUTING"].includes(hook))
);

const rules = fc.oneof(
  { weight: 3, arbitrary: fc.constant<FirewallRule[]>([]) },
  { weight: 1, arbitrary: fc.array(firewallRule, { minLength: 1, maxLength: 3 }) },
);

const endpoint: fc.Arbitrary<Endpoint> = fc.record({
  net: fc.nat(2),
  length: often(24, 16, 28),
  way: often<Endpoint["way"]>("gateway", "none", "wrong", "device"),
  isDown: often(false, true),
});

const sandbox: fc.Arbitrary<Sandbox> = fc.record({
  endpoints: fc.array(endpoint, { minLength: 1, maxLength: 3 }),
  sysctls: fc.oneof(
    { weight: 4, arbitrary: fc.constant<string[]>([]) },
    {
      weight: 1,
      arbitrary: fc.subarray([
        "net/ipv4/conf/all/rp_filter=1",
        "net/ipv4/conf/all/rp_filter=2",
        "net/ipv4/ip_forward=1",
        "net/ipv6/conf/all/forwarding=1",
        "net/ipv4/icmp_echo_ignore_all=1",
        "net/ipv4/conf/all/arp_ignore=1",
      ]),
    },
  ),
  rules,
});

const host: fc.Arbitrary<Host> = fc.record({
  nets: fc.array(
    fc.record({
      parent: fc.constantFrom(...VLANS, "dummy" as const),
      mode: fc.constantFrom(...IPVLAN_MODES),
      flag: often<Net["flag"]>("bridge", "private", "vepa"),
      isOwn: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  sandboxes: fc.array(sandbox, { minLength: 1, maxLength: 4 }),
  vlans: fc.record({ 0: fc.constant(1), 20: fc.constant(1), 30: fc.constant(1) }, {
    requiredKeys: [],
  }),
  sysctls: fc.subarray(["net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1"]),
  rules,
  isDown: often(false, true),
  isProxy: fc.boolean(),
});

/** Worlds, as they are drawn. */
export const worlds: fc.Arbitrary<WorldSpec> = fc.record({
  size: fc.constantFrom(undefined, undefined, ...SIZES),
  mtus: fc.array(fc.record({ at: fc.nat(1000), mtu: fc.constantFrom(1400, 1600) }), {
    maxLength: 3,
  }),
  hosts: fc.array(host, { minLength: 1, maxLength: 2 }),
  loss: fc.nat(),
  router: fc.record({
    vlans: fc.subarray([0, 20, 30]),
    forwards: often(true, false),
    knows: often(true, false),
    rules,
  }),
});

/** A namespace to make, and the lines of `ip` in it; the lines of sysctl come first. */
export interface Built {
  /** The lines in the namespace of the test: namespaces and cables. */
  first: string[];
  /** The lines in each namespace, in order. */
  lines: [netns: string, line: string][];
  sysctls: [netns: string, setting: string][];
  /** The rules of the firewall in each namespace, as `iptables-restore` takes them. */
  firewalls: { netns: string; family: 4 | 6; text: string }[];
}

/** The beginning of the names of all namespaces. */
export const PREFIX = "why-";
const linkIn = (vlan: number) => vlan === 0 ? "eth0" : `eth0.${vlan}`;

/** The lines that make a world. */
export function build({ hosts, router, mtus }: WorldSpec): Built {
  const first: string[] = [`netns add ${PREFIX}sw`];
  const lines: Built["lines"] = [];
  const sysctls: Built["sysctls"] = [];
  const firewalls: Built["firewalls"] = [];
  const to = (netns: string, ...more: string[]) => {
    for (const line of more) lines.push([PREFIX + netns, line]);
  };
  const add = (netns: string) => {
    first.push(`netns add ${PREFIX}${netns}`);
    // Redirects would make answers depend on what was sent before.
    for (const family of ["ipv4", "ipv6"]) {
      for (const key of ["accept_redirects", ...family === "ipv4" ? ["send_redirects"] : []]) {
        for (const scope of ["all", "default"]) {
          sysctls.push([PREFIX + netns, `net/${family}/conf/${scope}/${key}=0`]);
        }
      }
    }
    for (const scope of ["all", "default"]) {
      sysctls.push([PREFIX + netns, `net/ipv6/conf/${scope}/accept_dad=0`]);
    }
    to(netns, "link set lo up");
  };
  const plug = (netns: string) => {
    add(netns);
    first.push(
      `link add p-${netns} netns ${PREFIX}sw type veth peer name eth0 netns ${PREFIX}${netns}`,
    );
    to("sw", `link set p-${netns} master br0 up`);
    to(netns, "link set eth0 up");
  };
  const filter = (netns: string, rules: readonly FirewallRule[]) => {
    for (const family of [4, 6] as const) {
      const own = rules.filter((rule) => rule.family === family);
      if (own.length === 0) continue;
      const text = [
        "*mangle",
        ":OTHER - [0:0]",
        `-A OTHER -s ${family === 4 ? "10.0.0.0/25" : "fd00:0::/32"} -j RETURN`,
        "-A OTHER -j DROP",
        ...own.map(({ hook, condition, target }) => `-A ${hook} ${condition} -j ${target}`),
        "COMMIT",
        "",
      ].join("\n");
      firewalls.push({ netns: PREFIX + netns, family, text });
    }
  };
  to("sw", "link add br0 type bridge", "link set br0 up");

  const join = (netns: string, vlan: number) => {
    if (vlan === 0) return;
    to(netns, `link add link eth0 name ${linkIn(vlan)} type vlan id ${vlan}`);
    to(netns, `link set ${linkIn(vlan)} up`);
  };
  const address = (netns: string, vlan: number, part: number) =>
    to(
      netns,
      `addr add 10.${vlan}.0.${part}/24 dev ${linkIn(vlan)}`,
      `addr add fd00:${vlan}::${part}/64 dev ${linkIn(vlan)} nodad`,
    );

  plug("r");
  for (const vlan of VLANS) {
    join("r", vlan);
    if (router.vlans.includes(vlan)) address("r", vlan, 1);
  }
  if (router.forwards) {
    sysctls.push([`${PREFIX}r`, "net/ipv4/ip_forward=1"], [
      `${PREFIX}r`,
      "net/ipv6/conf/all/forwarding=1",
    ]);
  }
  filter("r", router.rules);
  plug("pc");
  address("pc", 0, 99);
  to("pc", "route add default via 10.0.0.1", "-6 route add default via fd00:0::1");

  for (const [h, host] of hosts.entries()) {
    const name = `h${h}`;
    plug(name);
    const settings = [...host.sysctls, ...host.isProxy ? ["net/ipv6/conf/all/proxy_ndp=1"] : []];
    for (const setting of settings) sysctls.push([PREFIX + name, setting]);
    filter(name, host.rules);
    for (const vlan of VLANS) {
      join(name, vlan);
      if (host.vlans[vlan] !== undefined) address(name, vlan, 10 + h);
    }
    if (host.vlans[0] !== undefined) {
      to(name, "route add default via 10.0.0.1", "-6 route add default via fd00:0::1");
    }
    to(name, "link add dummy0 type dummy", "link set dummy0 up");
    // The mode and the flag are those of the parent: the first network decides.
    const nets = host.nets.map((net) => {
      const { mode, flag } = host.nets.find(({ parent }) => parent === net.parent)!;
      return { ...net, mode, flag };
    });
    for (const [n, { parent, isOwn }] of nets.entries()) {
      if (parent === "dummy" || !isOwn || !router.knows) continue;
      if (!router.vlans.includes(parent) || host.vlans[parent] === undefined) continue;
      to(
        "r",
        `route add 10.${100 + h}.${n}.0/24 via 10.${parent}.0.${10 + h}`,
        `-6 route add fd00:${100 + h}:${n}::/64 via fd00:${parent}::${10 + h}`,
      );
    }
    for (const [s, { endpoints, sysctls: settings, rules }] of host.sandboxes.entries()) {
      const inside = `h${h}s${s}`;
      add(inside);
      filter(inside, rules);
      for (const setting of settings) sysctls.push([PREFIX + inside, setting]);
      for (const [e, endpoint] of endpoints.entries()) {
        const n = endpoint.net % nets.length;
        const { parent, mode, flag, isOwn } = nets[n]!;
        const link = parent === "dummy" ? "dummy0" : linkIn(parent);
        const isApart = isOwn || parent === "dummy";
        const [v4, v6] = isApart
          ? [`10.${100 + h}.${n}.`, `fd00:${100 + h}:${n}::`]
          : [`10.${parent}.0.`, `fd00:${parent}::`];
        const part = 20 + h * 40 + s * 8 + e;
        to(
          name,
          `link add link ${link} name tmp netns ${PREFIX}${inside} type ipvlan mode ${mode} ${flag}`,
        );
        to(
          inside,
          `link set tmp name eth${e}`,
          `addr add ${v4}${part}/${endpoint.length} dev eth${e}`,
          `addr add ${v6}${part}/64 dev eth${e} nodad`,
        );
        if (host.isProxy && !isApart && mode !== "l2") {
          to(
            name,
            `neigh add proxy ${v4}${part} dev ${link}`,
            `neigh add proxy ${v6}${part} dev ${link}`,
            `route add ${v4}${part}/32 dev lo`,
          );
        }
        if (endpoint.isDown) continue;
        to(inside, `link set eth${e} up`);
        const last = endpoint.way === "wrong" ? 2 : 1;
        if (endpoint.way === "none") continue;
        const byDevice = endpoint.way === "device" || mode !== "l2" || isApart;
        const metric = `metric ${100 + e}`;
        to(
          inside,
          `route add default ${byDevice ? "" : `via ${v4}${last} `}dev eth${e} ${metric}`,
          `-6 route add default ${byDevice ? "" : `via ${v6}${last} `}dev eth${e} ${metric}`,
        );
      }
    }
    if (host.isDown) to(name, "link set eth0 down");
  }
  const links = lines.flatMap(([netns, line]): [string, string][] => {
    const [, name] = /^link set (\S+).* up$/.exec(line) ?? [];
    return name === undefined || name === "lo" ? [] : [[netns, name]];
  });
  for (const { at, mtu } of mtus) {
    const [netns, name] = links[at % links.length]!;
    lines.push([netns, `link set ${name} mtu ${mtu}`]);
  }
  return { first, lines, sysctls, firewalls };
}
