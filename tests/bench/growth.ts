/**
 * `deno task bench growth`: how much longer a call takes on a host that has many networks or sandboxes
 * than on one that has few.
 *
 * @module
 */
import { newIdentity } from "../../lib/driver/network/create.ts";
import { Driver, settleAll } from "../../lib/driver/mod.ts";
import { aliasOf, LINK_GROUP } from "../../lib/driver/network/parent.ts";
import { Store } from "../../lib/driver/store/store.ts";
import type { Network } from "../../lib/driver/model/types.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { linkAdd, linkSet } from "../../lib/iproute2/link.ts";
import { make } from "../../lib/iproute2/runner.ts";
import type { LinkSpec } from "../../lib/iproute2/link_types.ts";
import { siteLabels } from "../../lib/site/labels.ts";
import { apply, type Desired, diff, readSite } from "../../lib/site/mod.ts";
import type { Figure } from "./figures.ts";
import type { Job } from "./inside.ts";
import { makeSandboxes, names, openDriver } from "./sandboxes.ts";
import { inTurns, timed } from "./turns.ts";
import { freshWorld, PARENT, type World } from "./world.ts";

/** How often a task with one item is repeated. */
const REPEATS = 10;

/** On how many of the networks there is a sandbox. */
const SANDBOXES = 20;

/** How many times as long an item may take at many as at few. */
const AIM = 1.2;

/** Measures all. */
export async function* growthFigures(job: Job): AsyncGenerator<Figure> {
  yield* grow("networks", job.networks, job.turns, withSite);
  yield* grow("networks", job.networks, job.turns, withNetworks);
  yield* grow("sandboxes of a network", job.sandboxes, job.turns, withSandboxes);
}

/** Measures the time of each item in worlds with few and with many things, in turns. */
async function* grow(
  things: string,
  [few, many]: readonly [number, number],
  turns: number,
  measure: (world: World, size: number) => Promise<Record<string, number>>,
): AsyncGenerator<Figure> {
  const [less, more] = [few, many].map((size) => `at ${size.toLocaleString("en")}`);
  const at = (size: number) => async () => {
    await using world = await freshWorld();
    return await measure(world, size);
  };
  const times = await inTurns(things, turns, { few: at(few), many: at(many) });
  for (const task of Object.keys(times.few[0]!)) {
    yield {
      work: `${task}, ${more} ${things}`,
      peer: less!,
      ours: times.many.map((each) => each[task]!),
      theirs: times.few.map((each) => each[task]!),
      aim: AIM,
    };
  }
}

/** Measures what the driver does on a host that has a number of networks already. */
async function withNetworks(world: World, size: number): Promise<Record<string, number>> {
  const stateDir = `${world.folder}/state`;
  using _off = withoutIPv6();
  await seed(stateDir, size);
  await using driver = await Driver.open({ stateDir });
  const networks = driver.listNetworks();
  const sandboxes = names(SANDBOXES);
  for (const [index, name] of sandboxes.entries()) {
    await driver.createSandbox({ name, connections: [{ network: networks[index]!.name }] });
  }
  const restore = await timed(async () => {
    const { missing } = await driver.restore();
    if (missing.length > 0) throw new Error(`Not restored: ${JSON.stringify(missing)}`);
  });
  const list = await timed(() => driver.seeSandboxes());
  const create = await timed(async () => {
    for (let index = 0; index < REPEATS; index++) {
      const name = `extra${index}`;
      // One tag more than those of the seed's networks, of which each has another parent.
      const parent = `${PARENT}.4094.${index + 1}`;
      await driver.createNetwork({ name, parent, subnets: [`172.30.${index}.0/24`] });
    }
  });
  return {
    "restore nothing, each network": restore / size,
    "network create": create / REPEATS,
    "ps, each sandbox": list / SANDBOXES,
  };
}

/** Measures `diff` and `apply` of a site file with a number of networks on one parent. */
async function withSite(world: World, size: number): Promise<Record<string, number>> {
  const stateDir = `${world.folder}/state`;
  await using driver = await Driver.open({ stateDir });
  const file = `${world.folder}/site.yaml`;
  /** Reads the file again, as each call of the command does. */
  const read = async (mtu: number): Promise<Desired> => {
    const networks = Array.from({ length: size }, (_, index) => {
      const subnet = `10.${index >> 8}.${index & 255}.0/24`;
      const options = index === 0 ? `, mtu: ${mtu}` : "";
      return `  n${index}: { parent: ${PARENT}, subnets: [${subnet}]${options} }\n`;
    });
    await Deno.writeTextFile(file, `networks:\n${networks.join("")}`);
    return await readSite(file);
  };
  const plan = async () => {
    const changes = await diff(driver, await read(1500));
    if (changes.length !== size) throw new Error(`${changes.length} changes, and not ${size}`);
  };
  // The first run is not counted: it loads and compiles the program.
  await plan();
  const added = await timed(plan);
  const { name, source, networks } = await read(1500);
  {
    using store = Store.open(stateDir);
    store.transaction(() => {
      for (const { network } of settleAll(networks, [])) {
        const labels = siteLabels({ name, source });
        const made = { ...network, ...newIdentity(), parent: PARENT, isolated: false, labels };
        store.putNetwork(made, "ready");
      }
    });
  }
  const change = async (mtu: number, expected: number) => {
    const { changes } = await apply(driver, await read(mtu), { yes: true });
    if (changes.length !== expected) throw new Error(`Not ${expected}: ${changes.join(", ")}`);
  };
  const nothing = await timed(() => change(1500, 0));
  const one = await timed(() => change(1400, 1));
  return {
    "diff of a new site, each network": added / size,
    "apply of nothing, each network": nothing / size,
    "apply of one change, each network": one / size,
  };
}

/** Measures one sandbox after another in a network that has a number of them at last. */
async function withSandboxes(world: World, size: number): Promise<Record<string, number>> {
  await using driver = await openDriver(world);
  const all = names(size);
  await makeSandboxes(driver, all.slice(0, -REPEATS));
  const create = await timed(async () => {
    for (const name of all.slice(-REPEATS)) await makeSandboxes(driver, [name]);
  });
  return { "make a sandbox": create / REPEATS };
}

/**
 * Turns IPv6 off on the links that are made until the end of the scope. For each link that comes up or goes,
 * the kernel walks a list of all links that have IPv6: at 4,000, `ip` alone takes five times as long as at
 * 250, and this is to be about the driver.
 */
function withoutIPv6(): Disposable {
  const file = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
  const before = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, "1");
  return { [Symbol.dispose]: () => Deno.writeTextFileSync(file, before) };
}

/** Makes networks as the driver does, each on a VLAN of its own, but all of them at once. */
async function seed(stateDir: string, count: number): Promise<void> {
  using store = Store.open(stateDir);
  await using ip = await Ip.open();
  const changes: Promise<void>[] = [];
  store.transaction(() => {
    for (let index = 0; index < count; index++) {
      const id = index + 1;
      const name = `n${id}`;
      const parent = `${PARENT}.${id}`;
      const link: LinkSpec = {
        type: "vlan",
        name: parent,
        link: PARENT,
        id,
        group: LINK_GROUP,
        up: true,
      };
      const network: Network = {
        ...newIdentity(),
        name,
        parent,
        isolated: false,
        mode: "l2",
        flag: "bridge",
        internal: false,
        ipv4: true,
        subnets: [{
          subnet: `10.${id >> 8}.${id & 255}.0/24`,
          gateway: `10.${id >> 8}.${id & 255}.1`,
          auxAddresses: {},
        }],
        labels: {},
      };
      store.putNetwork(network, "ready");
      store.putLink(link);
      changes.push(make(ip.session, linkAdd(link)));
      changes.push(make(ip.session, linkSet(parent, { alias: aliasOf(name) })));
    }
  });
  await Promise.all(changes);
}
