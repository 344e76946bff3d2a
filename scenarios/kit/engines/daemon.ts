/**
 * Real engines in a guest of the lab, where `deno task lab --with` has linked their programs: their
 * daemons, and an image for them that needs no registry.
 *
 * @module
 */
import { which } from "../../../lab/machine.ts";
import { orAbort } from "../../../lib/base/waiting.ts";
import { type Ran, run, succeed } from "../program.ts";

/** The options for starting a daemon. */
export interface DaemonOptions {
  /** Matches the line of its log that reports that it is ready. */
  ready: RegExp;
  /** Variables to add to its environment. */
  env?: Record<string, string>;
  /** The signal that ends it. @default {"SIGTERM"} */
  signal?: Deno.Signal;
}

/** A daemon that runs in the foreground and writes its log to standard error. */
export class Daemon implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #signal: Deno.Signal;
  readonly #read: Promise<void>;
  #log = "";
  /** Its exit status, once it has ended. */
  #status: number | undefined;
  /** Settles when the log grows or the daemon ends. */
  #news = Promise.withResolvers<void>();

  private constructor(
    command: readonly string[],
    { env, signal }: Omit<DaemonOptions, "ready">,
  ) {
    const [program = "", ...args] = command;
    this.#signal = signal ?? "SIGTERM";
    this.#child = new Deno.Command(program, {
      args,
      env,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#read = this.#readLog();
  }

  /**
   * Starts a daemon, and waits until its log says that it is ready.
   *
   * @throws {Error} if it ends before, with its log.
   */
  static async start(command: readonly string[], options: DaemonOptions): Promise<Daemon> {
    const daemon = new Daemon(command, options);
    await daemon.says((log) => options.ready.test(log));
    return daemon;
  }

  /**
   * Waits until its log passes a check.
   *
   * @throws {Error} if it ends before, or the signal is aborted, with its log.
   */
  async says(check: (log: string) => boolean, signal?: AbortSignal): Promise<void> {
    while (!check(this.#log)) {
      if (this.#status !== undefined) throw this.#error(`ended with status ${this.#status}`);
      await orAbort(this.#news.promise, signal)
        .catch(() => Promise.reject(this.#error("has not said what was waited for")));
    }
  }

  #error(what: string): Error {
    return new Error(`The daemon ${what}; its log:\n${this.#log}`);
  }

  async #readLog(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#log += text;
      this.#tell();
    }
    this.#status = (await this.#child.status).code;
    this.#tell();
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Its log. */
  get log(): string {
    return this.#log;
  }

  /** Sends it a signal, and waits until it has ended. */
  async end(signal: Deno.Signal = this.#signal): Promise<void> {
    if (this.#status === undefined) this.#child.kill(signal);
    await this.#read;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}

/** The programs of {@linkcode makeImage}. */
const IMAGE_PROGRAMS = ["cat", "grep", "id", "ip", "nc", "nslookup", "ping", "sh", "sleep", "true"];

/**
 * Makes an image of busybox alone, as `docker save` writes it: for `docker load`, `podman load` and
 * `ctr image import`.
 *
 * @param folder An empty folder for its files.
 * @param name The image's name with its tag: `docker.io/library/box:latest`.
 * @returns The path of the archive.
 */
export async function makeImage(folder: string, name: string): Promise<string> {
  const root = `${folder}/root`;
  for (const inner of ["bin", "dev", "etc", "proc", "sys", "tmp"]) {
    await Deno.mkdir(`${root}/${inner}`, { recursive: true });
  }
  await Deno.copyFile(which("busybox")!, `${root}/bin/busybox`);
  for (const program of IMAGE_PROGRAMS) await Deno.symlink("busybox", `${root}/bin/${program}`);
  await tar(`${folder}/layer.tar`, root, ".");
  const layer = await Deno.readFile(`${folder}/layer.tar`);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", layer)).toHex();
  await writeJson(`${folder}/config.json`, {
    architecture: "amd64",
    os: "linux",
    created: "1970-01-01T00:00:00Z",
    config: { Cmd: ["/bin/sh"], Env: ["PATH=/bin"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
  });
  await writeJson(`${folder}/manifest.json`, [
    { Config: "config.json", RepoTags: [name], Layers: ["layer.tar"] },
  ]);
  const image = `${folder}/image.tar`;
  await tar(image, folder, "manifest.json", "config.json", "layer.tar");
  return image;
}

function writeJson(path: string, value: unknown): Promise<void> {
  return Deno.writeTextFile(path, JSON.stringify(value));
}

/** Packs files of a folder into an archive. The owner is root, as in every image. */
async function tar(archive: string, folder: string, ...names: string[]): Promise<void> {
  const options = ["--owner=0", "--group=0", "--numeric-owner"];
  await succeed("tar", ...options, "-C", folder, "-cf", archive, ...names);
}

/** The name of the image in each engine. */
export const IMAGE = "docker.io/library/box:latest";

/**
 * Loads {@linkcode IMAGE} into an engine.
 *
 * @param command The rest of the engine's command, before the path of the archive.
 */
export async function loadImage(program: string, ...command: string[]): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await succeed(program, ...command, await makeImage(folder, IMAGE));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A Docker daemon with the image {@linkcode IMAGE}. */
export interface Docker extends AsyncDisposable {
  /** The daemon. */
  readonly daemon: Daemon;
  /** Runs `docker` with arguments. */
  run(...args: string[]): Promise<Ran>;
  /** Runs `docker` with arguments, and returns its output. Fails with its error. */
  succeed(...args: string[]): Promise<string>;
}

/**
 * Starts Docker in a guest, and loads {@linkcode IMAGE}. At the end of the scope it removes all
 * containers and networks, and ends the daemon.
 */
export async function startDocker(): Promise<Docker> {
  await using undo = new AsyncDisposableStack();
  const daemon = undo.use(await Daemon.start(["dockerd"], { ready: /API listen on/ }));
  undo.defer(removeContainers);
  await loadImage("docker", "load", "--quiet", "--input");
  const kept = undo.move();
  return {
    daemon,
    run: (...args) => run("docker", ...args),
    succeed: (...args) => succeed("docker", ...args),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Removes all containers and the networks that were made for them. */
async function removeContainers(): Promise<void> {
  const containers = await succeed("docker", "ps", "--all", "--quiet");
  if (containers !== "") await succeed("docker", "rm", "--force", ...containers.split("\n"));
  await succeed("docker", "network", "prune", "--force");
}
