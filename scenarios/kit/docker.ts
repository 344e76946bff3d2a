/**
 * Docker with `ipvlan docker serve` as its plugin, in a guest of the lab.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { Daemon, loadImage } from "./engines.ts";
import { type Ran, run, succeed } from "./program.ts";

/** The command line that starts `ipvlan` of this checkout. */
const IPVLAN = [
  ...[Deno.execPath(), "run", "-A", "--no-check", "--cached-only"],
  fileURLToPath(new URL("../../cli.ts", import.meta.url)),
];

/** The first words of `docker network create` for the plugin's networks. */
export const CREATE = ["network", "create", "-d", "ipvlan-kit"];

/** Where a Docker host runs, and with which options. */
export interface DockerHostOptions {
  /** The words of a command that runs its programs, such as `nsenter --target PID --net`. */
  under?: readonly string[];
  /** More options of `dockerd`. */
  daemon?: readonly string[];
}

/** A Docker daemon and the plugin, each a process that can be killed and started again. */
export class DockerHost implements AsyncDisposable {
  /** The plugin's state folder. */
  readonly stateDir: string;
  readonly #options: DockerHostOptions;
  #plugin: Daemon | undefined;
  #daemon: Daemon | undefined;

  private constructor(stateDir: string, options: DockerHostOptions) {
    this.stateDir = stateDir;
    this.#options = options;
  }

  /** Starts the plugin and Docker, and loads the image of `engines.ts`. */
  static async start(options: DockerHostOptions = {}): Promise<DockerHost> {
    const host = new DockerHost(await Deno.makeTempDir(), options);
    try {
      await Promise.all([host.startPlugin(), host.startDaemon()]);
      const [program, ...words] = host.#under("docker", "load", "--quiet", "--input");
      await loadImage(program, ...words);
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts the plugin. */
  async startPlugin(): Promise<void> {
    const command = this.#under(...IPVLAN, "docker", "serve", "--verbose");
    const env = { IPVLAN_STATE_DIR: this.stateDir };
    this.#plugin = await Daemon.start(command, { ready: /Listening at/, env });
  }

  /** Ends the plugin with a signal. Resolves to what it has logged. */
  async endPlugin(signal: Deno.Signal = "SIGKILL"): Promise<string> {
    const plugin = this.#plugin;
    this.#plugin = undefined;
    await plugin?.end(signal);
    return plugin?.log ?? "";
  }

  /** Starts Docker. */
  async startDaemon(): Promise<void> {
    const { daemon = [] } = this.#options;
    // A daemon that was killed leaves it, and another process may have its id by now.
    const pidFile = "/var/run/docker.pid";
    await run(...this.#under("rm", "-f", pidFile));
    const command = this.#under("dockerd", ...daemon);
    this.#daemon = await Daemon.start(command, { ready: /API listen on/ });
  }

  /** Ends Docker with a signal. Resolves to what it has logged. */
  async endDaemon(signal: Deno.Signal = "SIGKILL"): Promise<string> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    await daemon?.end(signal);
    return daemon?.log ?? "";
  }

  /** Runs `docker` with arguments. */
  async docker(...args: string[]): Promise<Ran> {
    return await run(...this.#under("docker", ...args));
  }

  /** Runs `docker` with arguments, and returns its output. Fails with its error. */
  async succeed(...args: string[]): Promise<string> {
    return await succeed(...this.#under("docker", ...args));
  }

  #under(...words: string[]): [string, ...string[]] {
    return [...this.#options.under ?? [], ...words] as [string, ...string[]];
  }

  /** Removes all containers and the networks that were made for them, and ends both programs. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#daemon && this.#plugin) await this.#removeAll();
    } finally {
      await this.endDaemon("SIGTERM");
      await this.endPlugin("SIGTERM");
      await Deno.remove(this.stateDir, { recursive: true });
    }
  }

  async #removeAll(): Promise<void> {
    const containers = await this.succeed("ps", "--all", "--quiet");
    if (containers !== "") await this.succeed("rm", "--force", ...containers.split("\n"));
    await this.succeed("network", "prune", "--force");
  }
}
