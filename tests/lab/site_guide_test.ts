import { assertEquals } from "@std/assert";
import { stringify } from "@std/yaml";
import type { Driver } from "../../lib/driver/mod.ts";
import type { Ip } from "../../lib/iproute2/ip.ts";
import { apply, type Desired, destroy, diff, exportSite, parseSite } from "../../lib/site/mod.ts";
import { Printer } from "../../scenarios/kit/report/printer.ts";
import type { Scenario } from "../../scenarios/kit/scenario.ts";
import { Tour } from "../../scenarios/kit/report/tour.ts";
import { World, type WorldSpec } from "../../scenarios/kit/machines/world.ts";
import { seeSandbox } from "../kit/look.ts";

/*
 * Each of the guide's examples is there as a script, and as a site file of the same name. Both make
 * the same world: what the kernel shows of a network and of a sandbox right after the script has
 * made it is what it shows of them after the file is applied.
 */
const FOLDER = new URL("../../scenarios/", import.meta.url);

/** What is thrown to end a script that has made all that is compared. */
const ENOUGH = new Error("Everything has been seen");

/** What the kernel shows, by the name of the network or the sandbox. */
type Seen = Map<string, unknown>;

/** What the kernel shows of a network's parent on the host. */
async function seeNetwork(host: Ip, driver: Driver, name: string): Promise<unknown> {
  const { parent, id } = driver.inspectNetwork(name);
  const { index: _index, address: _address, link, info, flags, mtu, group, alias } = await host.link
    .show(parent);
  return { name: parent.replace(id.slice(0, 12), "ID"), link, info, flags, mtu, group, alias };
}

/** A tour that looks at what a script makes, until it has seen all that is in a site. */
class Watch extends Tour {
  readonly seen: Seen = new Map();
  spec: WorldSpec = {};
  #site: Desired;
  #enough: AbortController;

  constructor(site: Desired, enough = new AbortController()) {
    super(new Printer(() => {}, false), enough.signal);
    this.#site = site;
    this.#enough = enough;
  }

  override async world(spec: WorldSpec): Promise<World> {
    this.spec = spec;
    const world = await super.world(spec);
    const { driver, ip } = world.host;
    const [createNetwork, createSandbox] = [
      driver.createNetwork.bind(driver),
      driver.createSandbox.bind(driver),
    ];
    driver.createNetwork = async (spec) => {
      const made = await createNetwork(spec);
      await this.#see(spec.name, () => seeNetwork(ip, driver, spec.name));
      return made;
    };
    driver.createSandbox = async (spec) => {
      const made = await createSandbox(spec);
      await this.#see(spec.name, () => seeSandbox(spec.name));
      return made;
    };
    return world;
  }

  async #see(name: string, look: () => Promise<unknown>): Promise<void> {
    const names = [...this.#site.networks, ...this.#site.sandboxes].map((each) => each.name);
    if (!names.includes(name) || this.seen.has(name)) return;
    this.seen.set(name, await look());
    if (names.every((each) => this.seen.has(each))) this.#enough.abort(ENOUGH);
  }
}

async function watchScript(name: string, site: Desired): Promise<Watch> {
  const { default: script }: { default: Scenario } = await import(`${FOLDER}${name}.ts`);
  const watch = new Watch(site);
  try {
    await script.run(watch);
  } catch (error) {
    if (error !== ENOUGH) throw error;
  }
  return watch;
}

/** What a script does on the host besides networks and sandboxes. */
const BEFORE: Record<string, (host: Ip) => Promise<void>> = {
  manual_links: async (host) => {
    await host.link.add({ type: "vlan", link: "eth0", name: "eth0.40", id: 40 });
    await host.link.set("eth0.40", { up: true });
  },
};

const names = [...Deno.readDirSync(new URL("sites/", FOLDER))]
  .map(({ name }) => name.replace(".yaml", "")).sort();

for (const name of names) {
  Deno.test(`the site file ${name}.yaml makes the world of its script`, async () => {
    const text = await Deno.readTextFile(new URL(`sites/${name}.yaml`, FOLDER));
    const site = parseSite(`${name}.yaml`, text);
    const { seen, spec } = await watchScript(name, site);
    await using world = await World.build({ host: spec.host });
    const { driver, ip, netns } = world.host;
    await BEFORE[name]?.(ip);
    const before = (await ip.link.show()).map((link) => link.name);
    const { checks } = await apply(driver, site, { host: netns });
    assertEquals(checks.map(({ held }) => held), site.checks.map(() => true));
    const assertSeen = async () => {
      for (const { name } of site.networks) {
        assertEquals(await seeNetwork(ip, driver, name), seen.get(name), name);
      }
      for (const { name } of site.sandboxes) {
        assertEquals(await seeSandbox(name), seen.get(name), name);
      }
    };
    await assertSeen();
    assertEquals(await diff(driver, site), []);
    // What is exported is the same site: it changes nothing, and makes the same world again.
    const records = { networks: driver.listNetworks(), sandboxes: driver.listSandboxes() };
    const copy = parseSite("copy.yaml", stringify(exportSite(records).value));
    assertEquals(await diff(driver, copy), []);
    await destroy(driver, copy.name);
    await apply(driver, copy);
    await assertSeen();
    await destroy(driver, site.name);
    assertEquals((await ip.link.show()).map((link) => link.name), before);
    assertEquals(driver.listSandboxes(), []);
  });
}
