/**
 * The host's firewall: which of its chains see the packets of sandboxes, in each mode.
 *
 * @module
 */
import { doesNotReach, type Finding, reaches } from "../../lib/check/mod.ts";
import { isEqual } from "../kit/machines/checks.ts";
import { beyondScenario, type Host, type Scenario, type Tour } from "../kit/mod.ts";

const HOOKS = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/** The chains that see a packet to a sandbox, and one from it. */
const SEEN = {
  l2: [],
  l3: ["OUTPUT from it", "POSTROUTING from it"],
  l3s: ["PREROUTING to it", "INPUT to it", "OUTPUT from it", "POSTROUTING from it"],
};

const PC = ["192.168.1.100", "fd00:1::100"] as const;
const HOST = "192.168.1.250";
const ON_HOST = ["nsenter", "--net=/run/netns/lab-host"];

const firewall: Scenario = beyondScenario(
  "firewall",
  "The host's firewall sees L3S, and L2 and L3 not or by half",
  async (tour) => {
    for (const mode of ["l2", "l3", "l3s"] as const) await inMode(tour, mode);
  },
  ["iptables"],
);

async function inMode(tour: Tour, mode: keyof typeof SEEN): Promise<void> {
  await using world = await tour.world({
    host: { eth0: [`${HOST}/24`, "fd00:1::250/64"] },
    lan: { pc: { addresses: PC.map((address, i) => `${address}/${i ? 64 : 24}`) } },
  });
  const { host } = world;
  const subnets = mode === "l2"
    ? ["192.168.1.0/24", "fd00:1::/64"]
    : ["10.1.0.0/24", "fd00:10::/64"];
  const [ip = "", ip6 = ""] = subnets.map((subnet) => subnet.replace(/0?\/.*/, "9"));
  if (mode !== "l2") {
    await Promise.all([
      world.ip("lab-pc").route.add({ dst: subnets[0]!, via: HOST }),
      world.ip("lab-pc").route.add({ dst: subnets[1]!, via: "fd00:1::250" }),
    ]);
  }
  const words = subnets.map((subnet) => `--subnet=${subnet}`).join(" ");
  tour.step(`ipvlan network create ${words} -o parent=eth0 -o ipvlan_mode=${mode} ${mode}`);
  await host.driver.createNetwork({ name: mode, parent: "eth0", mode, subnets });
  await host.run("c1", mode, { ip, ip6 });
  const other = (await host.run("c2", mode)).ip!.replace(/\/.*/, "");
  await countsIn(tour, mode, [ip, ip6]);
  await rulesAct(tour, host, mode, ip, other);
}

/** Counts in each chain the packets of both families. */
async function countsIn(
  tour: Tour,
  mode: keyof typeof SEEN,
  ips: readonly string[],
): Promise<void> {
  const programs = ["iptables", "ip6tables"].map((name) => `${name} -t mangle`);
  const rules = programs.flatMap((program, i) =>
    HOOKS.flatMap((hook) =>
      [`-s ${ips[i]}`, `-d ${ips[i]}`].map((one) => `${program} -A ${hook} ${one}`)
    )
  );
  await tour.perform(rules.join("; "), ON_HOST);
  const passed = await Promise.all(
    PC.flatMap((pc, i) => [reaches("lab-pc", ips[i]!), reaches("c1", pc)]),
  );
  const found = await Promise.all(["iptables-save", "ip6tables-save"].map(async (save) => {
    const counted = await tour.perform(`${save} -c -t mangle`, ON_HOST);
    return [...counted.matchAll(/^\[([1-9]\d*):\d+\] -A (\S+) -([sd]) /gm)]
      .map(([, , hook, side]) => `${hook} ${side === "s" ? "from" : "to"} it`);
  }));
  await tour.perform(programs.map((program) => `${program} -F`).join("; "), ON_HOST);
  await tour.holds(
    "ASK-9",
    ...passed as [Finding],
    isEqual(`which chains of iptables see packets of c1 in ${mode}`, found[0], SEEN[mode]),
    isEqual(`which chains of ip6tables see packets of c1 in ${mode}`, found[1], SEEN[mode]),
  );
}

/** Checks what rules do to packets of IPv4, and what doctor says of them. */
async function rulesAct(
  tour: Tour,
  host: Host,
  mode: keyof typeof SEEN,
  ip: string,
  other: string,
): Promise<void> {
  const pc = PC[0];
  const set = (rule: string) => tour.perform(`iptables ${rule}`, ON_HOST);
  const drop = [
    `-A FORWARD -d ${ip} -j DROP`,
    `-A INPUT -d ${ip} -m conntrack --ctstate NEW -j DROP`,
  ];
  for (const rule of drop) await set(rule);
  const cut = mode === "l3s"
    ? doesNotReach("lab-pc", ip, { control: "c2", reaches: HOST })
    : reaches("lab-pc", ip);
  // What the sandbox asks for is answered, as connection tracking knows it.
  const findings: [Promise<Finding>, ...Promise<Finding>[]] = [cut, reaches("c1", pc)];
  await tour.holds("ASK-9", ...findings);
  await set("-F");
  await set(`-t nat -A POSTROUTING -s ${ip} -j MASQUERADE`);
  const translated = mode === "l3"
    ? doesNotReach("c1", pc, { control: "c2", reaches: other })
    : reaches("c1", pc);
  await tour.holds("ASK-9", translated);
  if (mode === "l3") {
    for (const rule of drop) await set(rule);
    const { command, output } = await host.ipvlan("doctor");
    const said = output.split("\n").filter((line) => /^warning +firewall /.test(line))
      .map((line) => /The rule "-A (\w+) .*" (does nothing|breaks)/.exec(line)?.slice(1).join(" "));
    const wanted = ["FORWARD does nothing", "INPUT does nothing", "POSTROUTING breaks"];
    await tour.holds("ASK-9", {
      ...isEqual("the rules that doctor warns of", said.toSorted(), wanted),
      evidence: [{ command, output }],
    });
  }
}

export default firewall;
