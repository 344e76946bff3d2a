import { Driver } from "../../lib/driver/mod.ts";
import { GATEWAY, PARENT, SUBNET, type World } from "./world.ts";

/** A way to make sandboxes with an endpoint each, or to remove them. */
export interface Way {
  /** Its name in the results. */
  readonly name: string;
  /** A short description. */
  readonly what: string;
  /** Whether it may be skipped if it would take minutes. */
  readonly maySkip?: true;
  /** Prepares a run in a fresh world. The preparation is not measured. */
  prepare(world: World, sandboxes: readonly string[]): Promise<Prepared>;
}

/** A prepared run. */
export interface Prepared {
  /** Does the work, which is measured. */
  run(): Promise<void>;
  /** Cleans up, which is not measured. */
  end?(): Promise<void>;
}

/** The names of a number of sandboxes. */
export function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `c${index + 1}`);
}

/** The address of the sandbox with an index, from 0. The first is the address after the gateway. */
function addressAt(index: number): string {
  const host = index + 2;
  return `10.0.${host >> 8}.${host & 255}`;
}

/** The driver makes all sandboxes at once. */
export const driver: Way = {
  name: "driver",
  what: "Driver.createSandbox() in one burst",
  async prepare(world, sandboxes) {
    const driver = await openDriver(world);
    const make = (name: string) =>
      driver.createSandbox({ name, connections: [{ network: "bench" }] });
    return {
      run: async () => void await Promise.all(sandboxes.map(make)),
      end: () => driver[Symbol.asyncDispose](),
    };
  },
};

/**
 * The fastest shell script: one `ip -batch` for the host, and one for each namespace. Writing its
 * files is not measured. It does only what is needed: it keeps no record of addresses, marks no
 * links, writes no hosts files and has no rollback.
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
  maySkip: true,
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
 * @param folder The folder of the plugins `ipvlan` and `host-local`.
 */
export function cni(folder: string): Way {
  return {
    name: "cni",
    what: "CNI's ipvlan and host-local, one ADD per namespace",
    maySkip: true,
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
          cniVersion: "0.4.0",
          name: "bench",
          type: "ipvlan",
          master: PARENT,
          mode: "l2",
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

/** The driver removes all sandboxes at once. */
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

/** A shell script that removes links and namespaces one by one. */
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
