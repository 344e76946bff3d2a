import { fileURLToPath } from "node:url";
import type { AttachWay } from "./inside.ts";

/** The parent, the subnet and the gateway of every container. */
const [PARENT, SUBNET, GATEWAY] = ["bench0", "10.0.0.0/16", "10.0.0.1"];

const CLI = fileURLToPath(new URL("../../../cli.ts", import.meta.url));
const IPVLAN = [Deno.execPath(), "run", "-A", "--no-check", "--cached-only", CLI];

const OWN = {
  cniVersion: "1.0.0",
  name: "bench",
  type: "ipvlan-kit",
  master: PARENT,
  subnets: [{ subnet: SUBNET, gateway: GATEWAY }],
};

/** CNI's own plugins. @param folder The folder of `ipvlan` and `host-local`. */
export function reference(folder: string): AttachWay {
  return {
    name: "ipvlan, host-local",
    prepare: (world) =>
      Promise.resolve({
        plugin: `${folder}/ipvlan`,
        path: folder,
        conf: {
          cniVersion: "1.0.0",
          name: "bench",
          type: "ipvlan",
          master: PARENT,
          mode: "l2",
          ipam: {
            type: "host-local",
            ranges: [[{ subnet: SUBNET, gateway: GATEWAY }]],
            routes: [{ dst: "0.0.0.0/0" }],
            dataDir: `${world.folder}/addresses`,
          },
        },
      }),
  };
}

/** The plugin of this project with its server, as systemd starts it. */
export const withServer: AttachWay = {
  name: "ipvlan-kit",
  async prepare(world) {
    const env = { IPVLAN_STATE_DIR: `${world.folder}/state` };
    const plugin = await install(world.folder, env);
    const server = new Deno.Command(IPVLAN[0]!, {
      args: [...IPVLAN.slice(1), "cni", "serve"],
      env,
      stdin: "null",
      stderr: "piped",
    }).spawn();
    const log = server.stderr.pipeThrough(new TextDecoderStream()).getReader();
    const { value: first } = await log.read();
    if (!first?.includes("Listening")) throw new Error(`The server said: ${first}`);
    return {
      plugin,
      path: world.folder,
      conf: OWN,
      end: async () => {
        server.kill("SIGTERM");
        for (let next = await log.read(); !next.done; next = await log.read()) {
          console.error(`bench: the server said: ${next.value.trim()}`);
        }
        await server.status;
      },
    };
  },
};

/** The plugin of this project without a server: each call starts Deno. */
export const withoutServer: AttachWay = {
  name: "ipvlan-kit, no server",
  maySkip: true,
  prepare: async (world) => ({
    plugin: await install(world.folder, { IPVLAN_STATE_DIR: `${world.folder}/state` }),
    path: world.folder,
    conf: OWN,
  }),
};

/** Writes the executable of the plugin. Resolves to its path. */
async function install(folder: string, env: Record<string, string>): Promise<string> {
  const { success, stdout } = await new Deno.Command(IPVLAN[0]!, {
    args: [...IPVLAN.slice(1), "cni", "install", folder],
    env,
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("The plugin cannot be installed");
  return new TextDecoder().decode(stdout).trim();
}
