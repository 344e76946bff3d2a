/**
 * Inputs that nobody foresaw, in one process and without a kernel: words of the command line, site
 * files, values of calls, and damaged records. Each input must succeed or throw an `IpvlanError`.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { optionsOf, parseArguments } from "../../lib/cli/options.ts";
import type { Context } from "../../lib/cli/command.ts";
import { complete } from "../../lib/cli/help.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { errorLines } from "../../lib/cli/errors.ts";
import { Calls } from "../../lib/driver/calls.ts";
import { EngineDriver } from "../../lib/driver/mod.ts";
import type { WrapRunner } from "../../lib/driver/run/namespaces.ts";
import { subnetsOf } from "../../lib/driver/model/subnets.ts";
import { decideNetwork } from "../../lib/driver/network/decide.ts";
import { decideEndpoint } from "../../lib/driver/endpoint/decide.ts";
import { parseDriverOptions } from "../../lib/driver/model/options.ts";
import { byLinkName } from "../../lib/driver/network/parent.ts";
import { parentsPlan } from "../../lib/driver/network/create.ts";
import { settleAll } from "../../lib/driver/network/settle.ts";
import { Store, withoutState } from "../../lib/driver/store/store.ts";
import type { Network } from "../../lib/driver/model/types.ts";
import { IpvlanError } from "../../lib/base/errors.ts";
import { nestSubnets } from "../../lib/ipam/nest.ts";
import { Pools } from "../../lib/ipam/mod.ts";
import { printable } from "../../lib/base/printable.ts";
import type { Current } from "../../lib/site/records.ts";
import { exportSite } from "../../lib/site/mod.ts";
import { parseSite } from "../../lib/site/desired.ts";
import { siteLabels } from "../../lib/site/labels.ts";
import { makePlan, makeRollback } from "../../lib/site/plan.ts";
import { planLines } from "../../lib/site/describe.ts";
import { host, IDENTITY, network, plainEndpoint } from "../kit/values.ts";
import type { Random } from "./random.ts";

/** An input for which something else was thrown than an `IpvlanError`. */
export interface Defect {
  /** The input, for a person to try. */
  input: string;
  /** What happened. */
  what: string;
}

/** Kinds of inputs: how one is made and tried. A function that makes and tries the next one. */
export const FUZZERS: Record<string, (random: Random) => Fuzzer> = {
  "command lines": fuzzCommandLines,
  "site files": fuzzSiteFiles,
  "values of calls": fuzzValues,
  "damaged records": fuzzRecords,
};

/** Tries inputs of one kind. */
export interface Fuzzer extends AsyncDisposable {
  /** Makes the next input, and tries it. Resolves to what is wrong, if anything is. */
  next(): Promise<Defect | undefined>;
}

/** Tries an input. */
async function attempt(
  input: () => string,
  run: () => unknown,
): Promise<Defect | undefined> {
  try {
    await run();
  } catch (error) {
    if (error instanceof IpvlanError) return linesDefect(input, await errorLines(error));
    return { input: input(), what: error instanceof Error ? error.stack ?? "" : String(error) };
  }
}

/** An error whose message shows something of the inside. */
function linesDefect(input: () => string, lines: readonly string[]): Defect | undefined {
  const what = lines.find((line) => /undefined|\[object|^\s+at /.test(line));
  return what === undefined || /undefined|object/.test(input())
    ? undefined
    : { input: input(), what };
}

/** Words that have a meaning to somebody: to us, to JavaScript, to a shell, to YAML, to a terminal. */
const WORDS = [
  ...["", " ", "-", "--", "---", "=", "a", "b", "n", "c1", "web", "x".repeat(64), "x".repeat(5000)],
  ...["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf", "length", "then"],
  ...["null", "true", "false", "no", "~", "0", "1", "-1", "1e9", "0x10", "NaN", "1.5", "4095"],
  ...["eth0", "eth0.20", "eth0.20.30", "eth0.0", "eth0.4095", "lo", "../x", "a/b", "eth0;reboot"],
  ...["10.0.0.0/24", "10.0.0.1", "10.0.0.0/0", "10.0.0.0/33", "10.0.0.300", "224.0.0.0/4"],
  ...[
    "fd00::/64",
    "fd00::1",
    "::",
    "::/0",
    "::1/128",
    "fe80::/10",
    "1:2:3:4:5:6:7:8:9",
    "fd00::%1",
  ],
  ...["10.0.0.0/24/5", "/", "/24", "10.0.0.0/", "0.0.0.0", "255.255.255.255/32", "2001:db8::/127"],
  ...["l2", "l3", "l3s", "bridge", "vepa", "parent=eth0", "mtu=1400", "mtu=banana", "mode", "=x"],
  ...["a=b", "a=b=c", "{{json .}}", "{{", "{{.Name}}", "table", "json", "label=a", "name=n"],
  ...["\n", "\0", "\u001b[2J", "\u202e", "é", "日本", "\ud800", "😀", "'", '"', "\\", "$(reboot)"],
];

function word(random: Random): string {
  const text = random.pick(WORDS);
  if (!random.once(4)) return text;
  const at = random.below(text.length + 1);
  return text.slice(0, at) + random.pick(WORDS).slice(0, 40) + text.slice(at);
}

/** The commands that only change what a dry run keeps in memory, and print. */
const SAFE = Object.keys(COMMANDS).filter((name) =>
  /^(network .*|inspect|ps|rm|export|completion)$/.test(name)
);

const LINKS = ["lo", "eth0", "eth0.20", "eth1"].map((ifname, index) => ({
  ifindex: index + 1,
  ifname,
  flags: ifname === "lo" ? ["LOOPBACK", "UP"] : ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
  mtu: ifname === "lo" ? 65536 : 1500,
  operstate: "UP",
  group: "default",
  link_type: ifname === "lo" ? "loopback" : "ether",
  address: "02:00:00:00:00:01",
  txqlen: 1000,
  ...(ifname.includes(".") && {
    link: "eth0",
    linkinfo: { info_kind: "vlan", info_data: { protocol: "802.1Q", id: 20, flags: [] } },
  }),
}));

/** An `ip` that has two cards and does all that it is told. */
const fakeIp: WrapRunner = () => ({
  change: () => Promise.resolve(),
  query: (line) => Promise.resolve(line.startsWith("link show") ? structuredClone(LINKS) : []),
});

function fuzzCommandLines(random: Random): Fuzzer {
  const stateDir = Deno.makeTempDirSync();
  let driver: EngineDriver | undefined;
  let count = 0;
  const next = async () => {
    // What a dry run makes stays in its memory, and should not be all that there is.
    if (count++ % 200 === 0) {
      await driver?.[Symbol.asyncDispose]();
      driver = await openDriver(stateDir);
    }
    const name = random.pick(Object.keys(COMMANDS));
    const command = await COMMANDS[name]!.load();
    const options = [...optionsOf(command), { name: "dry-run" }];
    const option = () => {
      const { name, short, value } = random.pick(options) as {
        name: string;
        short?: string;
        value?: string;
      };
      const dashed = short !== undefined && random.once(3) ? `-${short}` : `--${name}`;
      const given = value === undefined && !random.once(8) ? [] : [word(random)];
      return random.once(2) ? [[dashed, ...given].join("=")] : [dashed, ...given];
    };
    const positional = () => random.once(2) ? random.pick(["n", "web", "c1", "b"]) : word(random);
    const typed = Array.from(
      { length: random.below(5) },
      () => random.once(2) ? option() : [random.once(8) ? `--${word(random)}` : positional()],
    ).flat();
    return await attempt(() => JSON.stringify([...name.split(" "), ...typed]), async () => {
      await complete([...name.split(" "), ...typed], {
        NETWORK: () => ["n", "constructor"],
        SANDBOX: () => ["c1"],
        HOST: () => Promise.resolve(["h1"]),
        LINK: () => Promise.resolve([]),
      });
      if (command.raw) return;
      const args = parseArguments(`ipvlan ${name}`, command, typed);
      if (!SAFE.includes(name) || args.on("help")) return;
      const context: Context = {
        command: `ipvlan ${name}`,
        dryRun: true,
        interrupted: new AbortController().signal,
        print: printable,
        write: () => {},
        printColoured: printable,
        warn: printable,
        complete: () => Promise.resolve([]),
        open: () => Promise.resolve(undisposed(driver!)),
      };
      await command.run(args, context);
    });
  };
  return {
    next,
    [Symbol.asyncDispose]: async () => {
      await driver?.[Symbol.asyncDispose]();
      await Deno.remove(stateDir, { recursive: true });
    },
  };
}

async function openDriver(stateDir: string): Promise<EngineDriver> {
  const driver = await EngineDriver.open({ stateDir, dryRun: () => {} }, fakeIp);
  await driver.createNetwork({ name: "n", subnets: ["10.0.0.0/24", "fd00::/64"] });
  await driver.createNetwork({ name: "web", parent: "eth0.20" });
  await driver.createSandbox({ name: "c1", connections: [{ network: "web" }] });
  return driver;
}

/** A driver that outlives the command that opened it. */
function undisposed(driver: EngineDriver): EngineDriver {
  return new Proxy(driver, {
    get: (target, key) => {
      if (key === Symbol.asyncDispose) return () => Promise.resolve();
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Valid site files, to change. */
const SITES = [
  `name: demo
networks:
  web: { parent: eth0.20, subnets: [192.168.20.0/24, "fd20::/64"], gateways: [192.168.20.1] }
  lan: &lan
    mode: l3
    ipam: { config: [{ subnet: 10.1.0.0/16, aux_addresses: { a: 10.1.0.9 } }] }
    labels: { a: b }
  more: { <<: *lan, ipam: {}, subnets: [10.2.0.0/16], mtu: 1400, internal: true }
sandboxes:
  nginx:
    networks: { web: { ip: 192.168.20.2, ip6: "fd20::9", aliases: [www], ifname: web0 }, lan: }
    command: [nginx, -g, daemon off;]
  probe: { networks: [web, more], command: sleep 60, labels: { x: "1" } }
  own:
    { hostname: own, hosts: [{ name: db, address: 192.0.2.9 }], dns: { servers: [192.0.2.53] },
      sysctls: { net.ipv4.ip_forward: 1 } }
checks:
  - probe reaches nginx
  - lan nginx does not reach 192.168.20.77 by ip
`,
  `services: { a: { networks: { n: { ipv4_address: 10.9.0.2 } } }, b: {} }
networks: { n: { driver: ipvlan, driver_opts: { parent: eth0, ipvlan_mode: l3 }, enable_ipv6: no } }
x-any: [1, 2, &r { r: 1 }, *r]
`,
];

const PIECES = [
  ..."[]{}:,&*#?|>-<%@!'\"\\\n\t ",
  ...["<<: ", "&a ", "*a", "<<: *a", "&lan ", "*lan", "- ", "? ", "--- ", "...", "!!set ", "\0"],
  ...["!!binary ", "!!timestamp 2001-01-01", ".inf", ".nan", "0x1F", "1_000", "~", "\r", "\ufeff"],
  ...[
    "networks:",
    "sandboxes:",
    "name:",
    "labels:",
    "command:",
    "checks:",
    "subnets:",
    "  ",
    "[[[[",
  ],
];

function mutated(text: string, random: Random): string {
  let result = text;
  for (let left = 1 + random.below(4); left > 0; left--) {
    const [from, to] = [random.below(result.length), random.below(result.length)].sort((a, b) =>
      a - b
    ) as [number, number];
    const near = Math.min(to, from + random.below(12));
    const piece = random.once(2) ? random.pick(PIECES) : word(random).slice(0, 100);
    result = random.pick([
      () => result.slice(0, from) + piece + result.slice(from),
      () => result.slice(0, from) + piece + result.slice(near),
      () => result.slice(0, from) + result.slice(near),
      () => result.slice(0, to) + result.slice(from, near) + result.slice(to),
      () => result.slice(0, from) + result.slice(to) + result.slice(from, to),
    ])();
  }
  return result;
}

/** A value of no sense, as JSON has it. */
function value(random: Random, depth = 3): unknown {
  if (depth === 0 || random.once(3)) {
    return random.pick([null, true, 5, -1.5, 1e30, "", word(random), word(random), [], {}]);
  }
  const inner = () => value(random, depth - 1);
  if (random.once(2)) return random.several(4, inner);
  return Object.fromEntries(random.several(5, () => [key(random), inner()]));
}

const KEYS =
  `networks sandboxes services checks name subnets subnet gateway gateways ip_range ip_ranges
  aux_addresses labels command ip ip6 aliases ifname parent mode flag mtu internal ipv6 advertise
  driver
  driver_opts ipam config hostname hosts address dns servers search options sysctls x-a <<
  __proto__ constructor`.split(/\s+/);

function key(random: Random): string {
  return random.once(4) ? word(random) : random.pick(KEYS);
}

/** What there is when a site file is planned: some of it is the site's, some another's. */
function current(): Current {
  const own = siteLabels({ name: "demo", source: { path: "/a/demo.yaml", content: "0" } });
  const endpoint = (network: string, ifname = "eth0") =>
    plainEndpoint("probe", network, { ifname, ip: "192.168.20.3/24" });
  return {
    networks: [
      network("web", { parent: "eth0.20", labels: own, subnets: [subnet("192.168.20.0/24")] }),
      network("old", { parent: "eth1", labels: {}, subnets: [subnet("10.7.0.0/16")] }),
    ],
    sandboxes: [{
      id: "0123",
      name: "probe",
      created: IDENTITY.created,
      namespace: "made",
      labels: siteLabels({ name: "demo" }, {}, ["sleep", "5"]),
      endpoints: [endpoint("web"), endpoint("old", "x")],
    }],
    down: ["probe"],
  };
}

function subnet(subnet: string): Network["subnets"][number] {
  return { subnet, auxAddresses: {} };
}

function fuzzSiteFiles(random: Random): Fuzzer {
  const now = current();
  const next = () => {
    const text = random.once(3)
      ? JSON.stringify(value(random, 5))
      : mutated(random.pick(SITES), random);
    return attempt(() => text, () => {
      const site = parseSite(random.once(4) ? `${word(random)}.yaml` : "demo.yaml", text);
      planLines(makePlan(site, now).changes).map(printable);
      makeRollback(site.name, { networks: [], sandboxes: [], down: [] }, now);
    });
  };
  return { next, [Symbol.asyncDispose]: () => Promise.resolve() };
}

function fuzzValues(random: Random): Fuzzer {
  const texts = (most = 3) => random.several(most, () => word(random));
  const pairs = () => Object.fromEntries(random.several(2, () => [word(random), word(random)]));
  const maybe = <T>(make: () => T) => random.once(2) ? undefined : make();
  const next = () => {
    const subnets = random.several(3, () => ({
      subnet: random.pick(WORDS.filter((text) => text.includes("/"))),
      ...(random.once(3) && { gateway: word(random) }),
      ...(random.once(3) && { ipRange: word(random) }),
      ...(random.once(3) && { auxAddresses: pairs() }),
    }));
    const { options } = parseDriverOptions([...texts(), "parent=eth0.20"]);
    const spec = { ...options, name: word(random), subnets, labels: pairs(), ipv6: random.once(4) };
    const connection = {
      ip: maybe(() => word(random)),
      ip6: maybe(() => word(random)),
      aliases: texts(),
      ifname: maybe(() => word(random)),
      except: texts(),
    };
    const aliases = texts();
    const input = { spec, connection, aliases };
    return attempt(() => JSON.stringify(input), () => {
      nestSubnets(subnets, { gateways: texts(), ipRanges: texts(), auxAddresses: pairs() });
      const others = [network("other", { subnets: [subnet("10.0.0.0/24")] })];
      settleAll([spec, { ...spec, name: "b" }], others);
      const decided = decideNetwork(settleAll([spec], others)[0]!, IDENTITY, others, host());
      const found = decided.ok ? decided.network : others[0]!;
      decideEndpoint(connection, "0123456789ab", {
        network: found,
        pools: Pools.of(subnetsOf(found)),
        sandbox: "c1",
        present: [],
        neighbours: [
          { id: "b", network: found.id, sandbox: "c2", ifname: "eth0", ordinal: 0, aliases },
        ],
        parentAddresses: [],
        held: [],
        holderElsewhere: () => undefined,
      });
      if (!decided.ok) throw decided.problems[0];
    });
  };
  return { next, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** Valid rows of the store, by table: the columns that are changed. */
const ROWS = {
  network: ["state", "record"],
  sandbox: ["state", "record"],
  link: ["record"],
  endpoint: ["state", "ifname", "ordinal", "ip", "ip6", "aliases", "network", "sandbox"],
};

function fuzzRecords(random: Random): Fuzzer {
  const folder = Deno.makeTempDirSync();
  const driver = new EngineDriver(Calls.open({ stateDir: folder }, fakeIp));
  const store = Store.open(folder);
  const n = network("n", { subnets: [subnet("10.0.0.0/24"), subnet("fd00::/64")] });
  store.putNetwork(n, "ready");
  store.putLink({ type: "vlan", name: "eth0.20", link: "eth0", id: 20 });
  store.putSandbox({
    ...{ id: "0123", name: "c1", created: IDENTITY.created, labels: {}, namespace: "made" },
    ...{ hostname: "c1", hosts: [{ name: "db", address: "192.0.2.9" }] },
    ...{ dns: { servers: ["192.0.2.53"] }, sysctls: { "net.ipv4.ip_forward": "1" } },
  }, "ready");
  store.putEndpoint({
    ...{ id: "e1e2e3e4e5e6", network: n.id, sandbox: "c1", ifname: "eth0", ordinal: 0 },
    ...{ ip: "10.0.0.2", ip6: "fd00::2", aliases: ["db"] },
  }, "ready");
  const raw = new DatabaseSync(`${folder}/ipvlan.db`, { enableForeignKeyConstraints: false });
  raw.exec("PRAGMA synchronous = OFF");
  const next = async () => {
    const table = random.pick(Object.keys(ROWS) as (keyof typeof ROWS)[]);
    const column = random.pick(ROWS[table]);
    const before = raw.prepare(`SELECT ${column} AS value FROM ${table}`).get()!.value;
    const damaged = damage(before, random);
    try {
      raw.prepare(`UPDATE ${table} SET ${column} = ?`).run(damaged as string);
    } catch {
      return undefined; // SQLite itself refuses it.
    }
    try {
      return await attempt(() => `${table}.${column} = ${JSON.stringify(damaged)}`, () => {
        useStore(folder, driver);
      });
    } finally {
      raw.prepare(`UPDATE ${table} SET ${column} = ?`).run(before!);
    }
  };
  return {
    next,
    [Symbol.asyncDispose]: async () => {
      raw.close();
      await driver[Symbol.asyncDispose]();
      store[Symbol.dispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** A text that is damaged as text, or as a value if it is JSON. */
function damage(before: unknown, random: Random): string | number | null {
  if (typeof before !== "string" || random.once(3)) {
    return random.pick<string | number | null>([null, 0, -5, word(random), word(random)]);
  }
  if (!/^[[{]/.test(before) || random.once(3)) return mutated(before, random);
  const record = JSON.parse(before);
  let part = record;
  while (random.once(2)) {
    const inner = Object.values(part).filter((each) => typeof each === "object" && each !== null);
    if (inner.length > 0) part = random.pick(inner);
    else break;
  }
  const field = random.pick([...Object.keys(part), "x"]);
  if (random.once(4)) delete part[field];
  else part[field] = value(random, 2);
  return JSON.stringify(record);
}

/** Reads all that is on record, and decides by it. */
function useStore(folder: string, driver: EngineDriver): void {
  using _copy = Store.copy(folder);
  using store = Store.open(folder);
  const networks = store.networks().map(withoutState);
  const records = { networks: driver.listNetworks(), sandboxes: driver.listSandboxes() };
  for (const { name } of records.networks) driver.inspectNetwork(name);
  exportSite(records);
  parentsPlan(networks, byLinkName(store.links()), host().links);
  settleAll([{ name: "new" }], networks);
}
