/**
 * The engine `native`: this machine's kernel, in fresh namespaces. The machine's own network,
 * processes and files stay as they are. It works for an ordinary user where the kernel allows users
 * to make user namespaces.
 *
 * @module
 */
import { dirname } from "node:path";
import type { Engine, Job, Probe, Requirements } from "../engine.ts";
import { LabError, makeAttempt } from "../errors.ts";
import { fetchPackages, type PackageName } from "../fetch/fetch.ts";
import { jobEnvironment, jobScript, keptPaths, neededFolders } from "../job.ts";
import { assertPrograms, exists, which } from "../machine.ts";
import { linkTools, readScript, type Tools, withRunFolder } from "../run_folder.ts";
import { assignments } from "../shell.ts";
import { missingModules } from "../guest/boot.ts";

/**
 * A shell script that prints the kinds of links that the kernel cannot make. It makes an ipvlan link
 * in mode L3S, since that mode is an option of the kernel (`CONFIG_IPVLAN_L3S`).
 */
const LINK_PROBE = `
missing=
ip link add lab0 type dummy || {
  missing="$missing, dummy"
  ip link add lab0 type veth || ip link add lab0 type bridge
}
ip link add link lab0 name lab1 type ipvlan mode l3s || missing="$missing, ipvlan"
ip link add link lab0 name lab2 type vlan id 2 || missing="$missing, 802.1q"
echo "\${missing#, }"
`;

/** The folder of the run, as a path inside: `native.sh` copies it there. */
const INSIDE = "/run/lab";

/** The machine's own kernel. */
export class NativeEngine implements Engine {
  /** Its name on the command line. */
  readonly name = "native";
  readonly #say: (line: string) => void;

  /** Makes the engine. `say` prints a line about the progress of something slow. */
  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Tests whether it can run here: makes a link of each kind in fresh namespaces. */
  async probe({ modules, kernel: wantedKernel, programs, signal }: Requirements): Promise<Probe> {
    const cannot = (why: string, advice?: string): Probe => ({
      ok: false,
      attempts: [{ name: this.name, why, advice }],
    });
    if (programs) {
      return cannot("native cannot bring programs along, as its files are this machine's own");
    }
    if (wantedKernel) return cannot("another kernel is asked for");
    if (Deno.build.os !== "linux") return cannot(`this machine runs ${Deno.build.os}, not Linux`);
    try {
      assertPrograms(["unshare", "setpriv", "mount", "ip"], "install util-linux and iproute2");
    } catch (error) {
      if (error instanceof LabError) {
        return { ok: false, attempts: [makeAttempt(this.name, error)] };
      }
      throw error;
    }
    if (Deno.uid() === 0 && which("modprobe")) {
      // If the kernel loads the module itself, that makes a link dummy0 in the machine's namespace.
      await new Deno.Command("modprobe", { args: ["-q", "dummy", "numdummies=0"] }).output();
    }
    const job: Job = {
      command: ["sh", "-c", LINK_PROBE],
      cwd: "/",
      modules,
      signal,
    };
    const { success, stdout, stderr } = await withRunFolder(async (run) => {
      await prepare(job, {}, run);
      return await command(run, "piped").output();
    });
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
    const kernel = `Linux ${Deno.osRelease()}`;
    if (!success) {
      const reason = text(stderr).split("\n").at(-1);
      return cannot(
        `this machine does not allow new namespaces (${reason})`,
        "run the lab as root",
      );
    }
    const missing = [
      ...text(stdout).split(", ").filter((kind) => kind !== ""),
      ...await this.#missing(modules),
    ].join(", ");
    if (missing === "") return { ok: true, what: `${kernel}, in namespaces of its own` };
    return cannot(
      `this machine's kernel, ${kernel}, has no ${missing}`,
      "load these modules as root, or boot a kernel that has them",
    );
  }

  /** As many as wanted: native jobs are ordinary processes. */
  maxJobs(wanted: number): Promise<number> {
    return Promise.resolve(wanted);
  }

  /** Runs the job in fresh namespaces, and waits until they are gone. */
  async run(job: Job): Promise<number> {
    const tools = await this.#tools(job.signal);
    return await withRunFolder(async (run) => {
      await prepare(job, tools, run);
      job.signal.throwIfAborted();
      const child = command(run, "inherit", job.interactive ? "inherit" : "null").spawn();
      // The first process inside dies with its parent, and the others die with the first.
      const kill = () => child.kill("SIGKILL");
      job.signal.addEventListener("abort", kill);
      const { code } = await child.status;
      job.signal.removeEventListener("abort", kill);
      job.signal.throwIfAborted();
      return code;
    });
  }

  /** The modules that the running kernel lacks and that we cannot load. */
  async #missing(modules: readonly string[]): Promise<string[]> {
    if (modules.length === 0) return [];
    if (Deno.uid() === 0 && which("modprobe")) {
      await new Deno.Command("modprobe", { args: ["-q", "-a", ...modules] }).output();
    }
    const builtin = `/lib/modules/${Deno.osRelease()}/modules.builtin`;
    const list = await Deno.readTextFile(builtin).catch(() => "");
    return missingModules(list, modules.filter((module) => !exists(`/sys/module/${module}`)));
  }

  /** Fetches tools that scenarios use, where the machine lacks them. Most commands need none. */
  async #tools(signal: AbortSignal): Promise<Tools> {
    const missing: PackageName[] = [];
    if (!which("ping")) missing.push("busybox-static");
    if (!which("radvd")) missing.push("radvd");
    try {
      const files = await fetchPackages(missing, { say: this.#say, signal });
      return { busybox: files["busybox-static"], radvd: files.radvd };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      this.#say(`continuing without ${missing.join(", ")}: ${error.message}`);
      return {};
    }
  }
}

/** The command that runs `native.sh` in fresh namespaces. */
function command(
  run: string,
  output: "inherit" | "piped",
  stdin: "inherit" | "null" = "null",
): Deno.Command {
  // Two calls of unshare(1): making a user namespace resets the parent-death signal.
  const [program = "", ...args] = [
    ...Deno.uid() === 0 ? [] : ["unshare", "--user", "--map-root-user"],
    ...["setpriv", "--pdeathsig", "KILL"],
    ...["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
    ...["sh", `${run}/native.sh`, run],
  ];
  return new Deno.Command(program, { args, stdin, stdout: output, stderr: output });
}

/** Writes the files of a run: the tools, `native.sh`, `native.conf` and `command.sh`. */
async function prepare(job: Job, tools: Tools, run: string): Promise<void> {
  await linkTools(run, tools);
  const env = jobEnvironment(Deno.env.toObject(), "native", INSIDE);
  const needed = [
    ...neededFolders(job),
    run,
    ...[tools.busybox, tools.radvd].filter((path) => path !== undefined).map((path) =>
      dirname(path)
    ),
  ];
  await Deno.writeTextFile(`${run}/native.sh`, await readScript("native.sh"));
  await Deno.writeTextFile(`${run}/command.sh`, jobScript(job, env, which("bash") ?? "sh"));
  await Deno.writeTextFile(
    `${run}/native.conf`,
    assignments({
      KEEP: keptPaths(needed, ["/run", "/var/lib"]),
      // An ordinary user's overlay must keep its metadata in user xattrs (since Linux 5.11).
      OVERLAY_OPTIONS: Deno.uid() === 0 ? "" : ",userxattr",
    }),
  );
}
