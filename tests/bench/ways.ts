import { Driver } from "../../lib/driver/mod.ts";
import { GATEWAY, PARENT, SUBNET, type World } from "./world.ts";

/** A way to make sandboxes with an endpoint each, or to take them away. */
export interface Way {
  /** Its name in the results. */
  readonly name: string;
  /** What it is, in a few words. */
  readonly what: string;
  /** Whether it is left out where it would take minutes; what it is compared with never is. */
  readonly dispensable?: true;
  /**
   * Gets everything ready in a fresh world. What it resolves to is what is measured; its own end is
   * not.
   */
  prepare(world: World, sandboxes: readonly string[]): Promise<Prepared>;
}

/** What is measured, and what is to be done after it. */
export interface Prepared {
  /** What is measured. */
  run(): Promise<void>;
  /** What ends it, unmeasured. */
  end?(): Promise<void>;
}

/** Names for that many sandboxes. */
export function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `c${index + 1}`);
}

/** The address of the sandbox with an index, from 0: the first one after the gateway's on. */
function addressAt(index: number): string {
  const host = index + 2;
  return `10.0.${host >> 8}.${host & 255}`;
}

/** The driver, all sandboxes asked for at once. */
export const driver: Way = {
  name: "driver",
  what: "Driver.createSandbox() in one burst",
  async prepare(world, sandboxes) {
    const driver = await openDriver(world);
    const make = (name: string) => driver.createSandbox(name, [{ network: "bench" }]);
    return {
      run: async () => void await Promise.all(sandboxes.map(make)),
      end: () => driver[Symbol.asyncDispose](),
    };
  },
};

/**
 * The best that a shell script can do: one `ip -batch` for the host, one for each namespace. The
 * files are written before, unmeasured, and no more is done than is needed: no record of what is
 * taken, no marks, no hosts files, no undoing.
 */
export const script: Way = {
  name: "script",
  what: "a shell script with ip -batch",
  async prepare(world, sandboxes) {
    const { folder } = world;
    const host = sandboxes.flatMap((name) => [
      `netns add ${name}`,
      `link add link ${PARENT} name t${name} netns ${name} type ipvlan mode l2`,
    ]);
    await Deno.writeTextFile(`${folder}/host`, lines(host));
    for (const [index, name] of sandboxes.entries()) {
      const inside = [
        "link set lo up",
        `link set t${name} name eth0 up`,
        `addr add ${addressAt(index)}/16 dev eth0`,
        `route add default via ${GATEWAY}`,
      ];
      await Deno.writeTextFile(`${folder}/${name}`, lines(inside));
    }
    await Deno.writeTextFile(`${folder}/names`, lines([...sandboxes]));
    const text = `cd ${folder}
ip -batch host
xargs -P "$(nproc)" -I{} ip -n {} -batch {} < names
`;
    return { run: () => world.script(text) };
  },
};

/** A shell script with one `ip` process for each line. */
export const processes: Way = {
  name: "processes",
  what: "a shell script, one ip process per command",
  dispensable: true,
  prepare(world, sandboxes) {
    const text = lines(sandboxes.flatMap((name, index) => [
      `ip netns add ${name}`,
      `ip link add link ${PARENT} name t${name} netns ${name} type ipvlan mode l2`,
      `ip -n ${name} link set lo up`,
      `ip -n ${name} link set t${name} name eth0 up`,
      `ip -n ${name} addr add ${addressAt(index)}/16 dev eth0`,
      `ip -n ${name} route add default via ${GATEWAY}`,
    ]));
    return Promise.resolve({ run: () => world.script(text) });
  },
};

/**
 * The plugins of the Container Network Interface, one ADD for each namespace.
 *
 * @param folder Where `ipvlan` and `host-local` are.
 */
export function cni(folder: string): Way {
  return {
    name: "cni",
    what: "CNI's ipvlan and host-local, one ADD per namespace",
    dispensable: true,
    async prepare(world, sandboxes) {
      const ipam = {
        type: "host-local",
        ranges: [[{ subnet: SUBNET, gateway: GATEWAY }]],
        routes: [{ dst: "0.0.0.0/0" }],
        dataDir: `${world.folder}/addresses`,
      };
      await Deno.writeTextFile(
        `${world.folder}/network`,
        JSON.stringify({
          ...{ cniVersion: "0.4.0", name: "bench", type: "ipvlan", master: PARENT, mode: "l2" },
          ipam,
        }),
      );
      const text = lines([
        `export CNI_COMMAND=ADD CNI_IFNAME=eth0 CNI_PATH=${folder}`,
        ...sandboxes.flatMap((name) => [
          `ip netns add ${name}`,
          `CNI_CONTAINERID=${name} CNI_NETNS=/run/netns/${name} ${folder}/ipvlan ` +
          `< ${world.folder}/network`,
        ]),
      ]);
      return { run: () => world.script(text) };
    },
  };
}

/** The driver, all sandboxes removed at once. */
export const driverRemoval: Way = {
  name: "driver",
  what: "Driver.removeSandbox() in one burst",
  async prepare(world, sandboxes) {
    const { run, end } = await driver.prepare(world, sandboxes);
    await run();
    await end?.();
    const remover = await Driver.open({ stateDir: `${world.folder}/state` });
    return {
      run: async () => void await Promise.all(sandboxes.map((name) => remover.removeSandbox(name))),
      end: () => remover[Symbol.asyncDispose](),
    };
  },
};

/** A shell script that removes one link and one namespace after the other. */
export const processesRemoval: Way = {
  name: "processes",
  what: "a shell script, one by one with ip processes",
  async prepare(world, sandboxes) {
    const { run } = await script.prepare(world, sandboxes);
    await run();
    const text = sandboxes.flatMap((name) => [
      `ip -n ${name} link del eth0`,
      `ip netns del ${name}`,
    ]);
    return { run: () => world.script(lines(text)) };
  },
};

async function openDriver(world: World): Promise<Driver> {
  const driver = await Driver.open({ stateDir: `${world.folder}/state` });
  await driver.createNetwork({ name: "bench", parent: PARENT, subnets: [SUBNET] });
  return driver;
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}
