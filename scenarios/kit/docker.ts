/**
 * Docker with `ipvlan docker serve` as its plugin, in a guest of the lab.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { Daemon, loadImage } from "./engines.ts";
import { run } from "./program.ts";

/** The command line of `ipvlan` of this checkout. */
const IPVLAN = [
  ...[Deno.execPath(), "run", "-A", "--no-check", "--cached-only"],
  fileURLToPath(new URL("../../cli.ts", import.meta.url)),
];

/** Where a Docker host runs, and with which options. */
export interface DockerHostOptions {
  /** The words of a command that runs its programs, such as `nsenter --target PID --net`. */
  under?: readonly string[];
  /** More options of `dockerd`. */
  daemon?: readonly string[];
  /** The plugin's state folder. @default {undefined} The usual one. */
  stateDir?: string;
}

/** A Docker daemon and the plugin, each a process that can be killed and started again. */
export class DockerHost implements AsyncDisposable {
  readonly #options: DockerHostOptions;
  #plugin: Daemon | undefined;
  #daemon: Daemon | undefined;

  private constructor(options: DockerHostOptions) {
    this.#options = options;
  }

  /** Starts the plugin and Docker, and loads the image of `engines.ts`. */
  static async start(options: DockerHostOptions = {}): Promise<DockerHost> {
    const host = new DockerHost(options);
    try {
      await Promise.all([host.startPlugin(), host.startDaemon()]);
      const [program = "", ...words] = host.#under("docker", "load", "--quiet", "--input");
      await loadImage(program, ...words);
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts the plugin. */
  async startPlugin(): Promise<void> {
    const { stateDir } = this.#options;
    this.#plugin = await Daemon.start(this.#under(...IPVLAN, "docker", "serve"), {
      ready: /Listening at/,
      env: stateDir === undefined ? {} : { IPVLAN_STATE_DIR: stateDir },
    });
  }

  /** Ends the plugin with a signal. */
  async endPlugin(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    await this.#plugin?.end(signal);
    this.#plugin = undefined;
  }

  /** Starts Docker. */
  async startDaemon(): Promise<void> {
    // A daemon that was killed leaves it, and another process may have its id by now.
    const [program = "", ...words] = this.#under("rm", "-f", "/var/run/docker.pid");
    await run(program, ...words);
    const command = this.#under("dockerd", ...this.#options.daemon ?? []);
    this.#daemon = await Daemon.start(command, { ready: /API listen on/ });
  }

  /** Ends Docker with a signal. */
  async endDaemon(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    await this.#daemon?.end(signal);
    this.#daemon = undefined;
  }

  #under(...words: string[]): string[] {
    return [...this.#options.under ?? [], ...words];
  }

  /** Removes all containers and the networks that were made for them, and ends both programs. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      const remove = "docker ps -aq | xargs -r docker rm -f; docker network prune -f";
      const [program = "", ...words] = this.#under("sh", "-c", remove);
      if (this.#daemon && this.#plugin) await run(program, ...words);
    } finally {
      await this.endDaemon("SIGTERM");
      await this.endPlugin("SIGTERM");
    }
  }
}
