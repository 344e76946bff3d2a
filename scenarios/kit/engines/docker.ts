/**
 * Docker with `ipvlan docker serve` as its plugin, in a guest of the lab.
 *
 * @module
 */
import { request } from "node:http";
import { ipvlanCommand } from "./machine.ts";
import { Daemon, loadImage } from "./daemon.ts";
import { type Ran, run, succeed } from "../program.ts";

/** The first words of `docker network create` for the plugin's networks. */
export const CREATE = ["network", "create", "-d", "ipvlan-kit"];

/** The place and the options of a Docker host. */
export interface DockerHostOptions {
  /** The words of a command that runs its programs, such as `nsenter --target PID --net`. */
  under?: readonly string[];
  /** More options of `dockerd`. */
  daemon?: readonly string[];
  /** The plugin's state folder. @default {undefined} A new one, which is removed at the end. */
  stateDir?: string;
  /** Whether to run the plugin as a process next to Docker. @default {true} */
  plugin?: boolean;
}

/** A Docker daemon and the plugin, each a process that can be killed and started again. */
export class DockerHost implements AsyncDisposable {
  /** The plugin's state folder. */
  readonly stateDir: string;
  readonly #options: DockerHostOptions;
  readonly #undo: AsyncDisposableStack;
  #plugin: Daemon | undefined;
  #daemon: Daemon | undefined;

  private constructor(stateDir: string, options: DockerHostOptions, undo: AsyncDisposableStack) {
    this.stateDir = stateDir;
    this.#options = options;
    this.#undo = undo;
  }

  /** Starts the plugin and Docker, and loads the image of `engines.ts`. */
  static async start(options: DockerHostOptions = {}): Promise<DockerHost> {
    const undo = new AsyncDisposableStack();
    const { stateDir = await Deno.makeTempDir(), plugin = true } = options;
    if (options.stateDir === undefined) {
      undo.defer(() => Deno.remove(stateDir, { recursive: true }));
    }
    const host = new DockerHost(stateDir, options, undo);
    try {
      await Promise.all([...plugin ? [host.startPlugin()] : [], host.startDaemon()]);
      const { under: [program = "docker", ...words] = [] } = options;
      const load = [...options.under ? [...words, "docker"] : [], "load", "--quiet", "--input"];
      await loadImage(program, ...load);
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts the plugin, with more options for this time. */
  async startPlugin(...more: string[]): Promise<void> {
    const command = this.#under(...ipvlanCommand(), "docker", "serve", "--verbose", ...more);
    const env = { IPVLAN_STATE_DIR: this.stateDir };
    this.#plugin = await Daemon.start(command, { ready: /Listening at/, env });
  }

  /** The plugin's log since its start. */
  get pluginLog(): string {
    return this.#plugin?.log ?? "";
  }

  /** Ends the plugin with a signal. Resolves to its log. */
  async endPlugin(signal: Deno.Signal = "SIGKILL"): Promise<string> {
    await this.#plugin?.end(signal);
    const log = this.#plugin?.log ?? "";
    this.#plugin = undefined;
    return log;
  }

  /** Starts Docker, with more options for this time. */
  async startDaemon(...more: string[]): Promise<void> {
    const { under = [], daemon = [] } = this.#options;
    // A killed daemon leaves this file, and another process may have its id by now.
    const pidFile = "/var/run/docker.pid";
    await run(...this.#under("rm", "-f", pidFile));
    const command = [...under, "dockerd", ...daemon, ...more];
    this.#daemon = await Daemon.start(command, { ready: /API listen on/ });
  }

  /** Ends Docker with a signal. Resolves to its log. */
  async endDaemon(signal: Deno.Signal = "SIGKILL"): Promise<string> {
    await this.#daemon?.end(signal);
    const log = this.#daemon?.log ?? "";
    this.#daemon = undefined;
    return log;
  }

  /** Runs `docker` with arguments. */
  async docker(...args: string[]): Promise<Ran> {
    return await run(...this.#under("docker", ...args));
  }

  /** Runs `docker` with arguments, and returns its output. Fails with its error. */
  async succeed(...args: string[]): Promise<string> {
    return await succeed(...this.#under("docker", ...args));
  }

  /** Calls Docker's API, which suits many calls at once. Fails with its error. Not with `under`. */
  async api(verb: string, path: string, body?: unknown): Promise<void> {
    const headers = { host: "docker", "content-type": "application/json" };
    const options = { socketPath: "/run/docker.sock", path, method: verb, headers };
    await new Promise<void>((resolve, reject) => {
      const sent = request(options, async (response) => {
        let text = "";
        for await (const chunk of response) text += chunk;
        if (response.statusCode! < 300) resolve();
        else reject(new Error(`${verb} ${path}: ${response.statusCode} ${text}`));
      });
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  #under(...words: string[]): [string, ...string[]] {
    return [...this.#options.under ?? [], ...words] as [string, ...string[]];
  }

  /** Removes all containers and the networks that were made for them, and ends both programs. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      const { plugin = true } = this.#options;
      if (this.#daemon && (this.#plugin || !plugin)) await this.#removeAll();
    } finally {
      await this.endDaemon("SIGTERM");
      await this.endPlugin("SIGTERM");
      await this.#undo.disposeAsync();
    }
  }

  async #removeAll(): Promise<void> {
    const containers = await this.succeed("ps", "--all", "--quiet");
    if (containers !== "") await this.succeed("rm", "--force", ...containers.split("\n"));
    await this.succeed("network", "prune", "--force");
  }
}
