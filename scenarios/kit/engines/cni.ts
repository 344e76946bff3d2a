/**
 * Runtimes that use CNI: containerd, by its command `ctr`, and Podman 4. For the scenarios, and for
 * the tests of engines.
 *
 * @module
 */
import { lookInto } from "../../../lib/iproute2/view.ts";
import { fromNetnsFolder } from "../../../lib/iproute2/words.ts";
import { Daemon, IMAGE, loadImage } from "./daemon.ts";
import { withPodman } from "./podman.ts";
import { run, succeed } from "../program.ts";

/** A configuration of one plugin. */
export interface PluginConf {
  /** The name of the plugin. */
  type: string;
  /** Its keys. */
  [key: string]: unknown;
}

/** A network of a runtime. */
export interface CniNetwork {
  /** The version of the specification. */
  cniVersion: string;
  /** Its name. */
  name: string;
  /** The configuration of its only plugin. */
  plugin: PluginConf;
}

/** A container that runs. */
export interface Container {
  /** Its id, as plugins get it. */
  id: string;
  /** The file of its network namespace. */
  netns: string;
}

/** A runtime that uses CNI. */
export interface CniRuntime extends AsyncDisposable {
  /** The newest version of the specification that it supports. */
  readonly cniVersion: string;
  /** Starts a sleeping container on a network, and waits until it runs. */
  start(name: string, network: string): Promise<Container>;
  /** Ends and removes a container. */
  stop(name: string): Promise<void>;
}

/** The folder where runtimes look for networks. */
const NETWORKS = "/etc/cni/net.d";

/** Makes a network the only one of the runtime. */
export async function writeNetwork({ cniVersion, name, plugin }: CniNetwork): Promise<void> {
  await Deno.mkdir(NETWORKS, { recursive: true });
  for (const { name: file } of Deno.readDirSync(NETWORKS)) await Deno.remove(`${NETWORKS}/${file}`);
  const conf = { cniVersion, name, plugins: [plugin] };
  await Deno.writeTextFile(`${NETWORKS}/10-${name}.conflist`, JSON.stringify(conf));
}

/** Starts the runtime that the guest has, with the image {@linkcode IMAGE}. */
export async function startRuntime(): Promise<CniRuntime> {
  const { code } = await run("sh", "-c", "command -v ctr");
  return code === 0 ? await startContainerd() : await startPodman();
}

/** The line that a container prints when it runs. */
const READY = "ready";

/** The command of every container. */
const SCRIPT = `echo ${READY}; exec sleep 1000`;

async function startContainerd(): Promise<CniRuntime> {
  await using undo = new AsyncDisposableStack();
  undo.use(await Daemon.start(["containerd"], { ready: /containerd successfully booted/ }));
  const version =
    /\d+/.exec(await succeed("containerd", "--version").then((text) => text.split(" ")[2]!))![0];
  await loadImage("ctr", "image", "import");
  const children = new Map<string, Deno.ChildProcess>();
  const stop = async (name: string) => {
    await succeed("ctr", "task", "kill", "--signal=SIGKILL", name);
    await children.get(name)!.status;
    children.delete(name);
  };
  undo.defer(async () => {
    for (const name of children.keys()) await stop(name);
  });
  const kept = undo.move();
  return {
    cniVersion: Number(version) < 2 ? "1.0.0" : "1.1.0",
    start: async (name) => {
      const args = ["run", "--rm", "--cni", IMAGE, name, "sh", "-c", SCRIPT];
      const child = new Deno.Command("ctr", {
        args,
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const failure = new Response(child.stderr).text();
      if (!await printsReady(child.stdout)) {
        throw new Error(`ctr ${args.join(" ")}: ${await failure}`);
      }
      children.set(name, child);
      const tasks = await succeed("ctr", "task", "ls");
      const pid = new RegExp(`^${name} +(\\d+)`, "m").exec(tasks)![1];
      return { id: `default-${name}`, netns: `/proc/${pid}/ns/net` };
    },
    stop,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Waits until a container prints that it runs. Resolves to `false` if it ended before. */
async function printsReady(stdout: ReadableStream<Uint8Array>): Promise<boolean> {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes(READY)) return true;
  }
  return false;
}

async function startPodman(): Promise<CniRuntime> {
  const podman = await withPodman();
  return {
    cniVersion: "1.0.0",
    start: async (name, network) => {
      const words = ["run", "--detach", `--network=${network}`, `--name=${name}`];
      const id = await succeed("podman", ...words, IMAGE, "sh", "-c", SCRIPT);
      const format = "{{.NetworkSettings.SandboxKey}}";
      return { id, netns: await succeed("podman", "inspect", "--format", format, name) };
    },
    stop: async (name) => {
      await succeed("podman", "rm", "--force", "--time=0", name);
    },
    [Symbol.asyncDispose]: () => podman[Symbol.asyncDispose](),
  };
}

/** The links, addresses and routes of a container, without values that differ each time. */
export async function seeContainer({ netns }: Container): Promise<string[]> {
  const seen = await lookInto(fromNetnsFolder(netns), { links: true, addrs: true, routes: "main" });
  return [
    ...seen.links.filter(({ name }) => name !== "lo")
      .map(({ name, up, mtu, info }) =>
        `link ${name} ${up ? "up" : "down"} mtu ${mtu} ${words(info)}`
      ),
    ...seen.addrs.filter(({ dev, scope }) => dev !== "lo" && scope === "global")
      .map(({ dev, address, prefixLength }) => `address ${address}/${prefixLength} dev ${dev}`)
      .toSorted(),
    // The kernel makes one for each link-local address.
    ...seen.routes.filter(({ dst, dev }) => dev !== "lo" && !dst.startsWith("fe80:"))
      .map(({ dst, via, dev, metric }) => `route ${words({ dst, via, dev, metric })}`).toSorted(),
  ];
}

/** Joins the values of an object to words. */
function words(values: object): string {
  return Object.entries(values).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${value}`).join(" ");
}
