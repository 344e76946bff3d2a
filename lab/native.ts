/**
 * The engine `native`: this machine's kernel, in fresh namespaces, so that the machine's own
 * network, processes and files stay as they are. Works for an ordinary user where the kernel lets
 * one make user namespaces.
 *
 * @module
 */
import { dirname } from "node:path";
import type { Engine, Job, Probe, Wish } from "./engine.ts";
import { attemptOf, LabError } from "./errors.ts";
import { fetchPackages, type PackageName } from "./fetch.ts";
import { jobEnvironment, jobScript, keptFolders, neededFolders } from "./job.ts";
import { assertPrograms, exists, which } from "./machine.ts";
import { linkTools, readScript, type Tools, withRunFolder } from "./run_folder.ts";
import { assignments } from "./shell.ts";
import { missingModules } from "./guest_boot.ts";

/**
 * Prints the kinds of links that cannot be made. Modes L2 and L3 are in every ipvlan, L3S is an
 * option of the kernel (`CONFIG_IPVLAN_L3S`).
 */
const TRIAL = `
missing=
ip link add lab0 type dummy || {
  missing="$missing, dummy"
  ip link add lab0 type veth || ip link add lab0 type bridge
}
ip link add link lab0 name lab1 type ipvlan mode l3s || missing="$missing, ipvlan"
ip link add link lab0 name lab2 type vlan id 2 || missing="$missing, 802.1q"
echo "\${missing#, }"
`;

/** Where `native.sh` puts the folder of the run. */
const INSIDE = "/run/lab";

/** The machine's own kernel. */
export class NativeEngine implements Engine {
  /** Its name on the command line. */
  readonly name = "native";
  readonly #say: (line: string) => void;

  /** Makes the engine; `say` gets a line now and then when something takes long. */
  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Finds out whether it can run here, by making a link of each kind in namespaces of their own. */
  async probe({ modules, kernel: asked, signal }: Wish): Promise<Probe> {
    const cannot = (why: string, advice?: string): Probe => ({
      ok: false,
      attempts: [{ name: this.name, why, advice }],
    });
    if (asked) return cannot("another kernel is asked for");
    if (Deno.build.os !== "linux") return cannot(`this machine runs ${Deno.build.os}, not Linux`);
    try {
      assertPrograms(["unshare", "setpriv", "mount", "ip"], "install util-linux and iproute2");
    } catch (error) {
      if (error instanceof LabError) return { ok: false, attempts: [attemptOf(this.name, error)] };
      throw error;
    }
    if (Deno.uid() === 0 && which("modprobe")) {
      // Loaded by the kernel itself, the module makes a link dummy0 in the machine's own namespace.
      await new Deno.Command("modprobe", { args: ["-q", "dummy", "numdummies=0"] }).output();
    }
    const job: Job = {
      command: ["sh", "-c", TRIAL],
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
      const said = text(stderr).split("\n").at(-1);
      return cannot(`this machine lets no namespaces be made (${said})`, "run the lab as root");
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

  /** As many as wanted: they are processes like others. */
  atMost(wanted: number): Promise<number> {
    return Promise.resolve(wanted);
  }

  /** Runs the job in namespaces of its own, and waits until they are gone. */
  async run(job: Job): Promise<number> {
    const tools = await this.#tools(job.signal);
    return await withRunFolder(async (run) => {
      await prepare(job, tools, run);
      job.signal.throwIfAborted();
      const shell = job.command.length === 0;
      const child = command(run, "inherit", shell ? "inherit" : "null").spawn();
      // The processes inside die with their first one, and that one with its parent.
      const end = () => child.kill("SIGKILL");
      job.signal.addEventListener("abort", end);
      const { code } = await child.status;
      job.signal.removeEventListener("abort", end);
      job.signal.throwIfAborted();
      return code;
    });
  }

  /** The modules that the running kernel has not, and that this user cannot load. */
  async #missing(modules: readonly string[]): Promise<string[]> {
    if (modules.length === 0) return [];
    if (Deno.uid() === 0 && which("modprobe")) {
      await new Deno.Command("modprobe", { args: ["-q", "-a", ...modules] }).output();
    }
    const builtin = `/lib/modules/${Deno.osRelease()}/modules.builtin`;
    const list = await Deno.readTextFile(builtin).catch(() => "");
    return missingModules(list, modules.filter((module) => !exists(`/sys/module/${module}`)));
  }

  /** Tools that scenarios use and the machine lacks; most commands do without. */
  async #tools(signal: AbortSignal): Promise<Tools> {
    const missing: PackageName[] = [];
    if (!which("ping")) missing.push("busybox-static");
    if (!which("radvd")) missing.push("radvd");
    try {
      const files = await fetchPackages(missing, { say: this.#say, signal });
      return { busybox: files["busybox-static"], radvd: files.radvd };
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      this.#say(`going on without ${missing.join(", ")}: ${error.message}`);
      return {};
    }
  }
}

/** The command line that runs `native.sh` with a folder in fresh namespaces. */
function command(
  run: string,
  output: "inherit" | "piped",
  stdin: "inherit" | "null" = "null",
): Deno.Command {
  // Making a user namespace resets the signal for the parent's death, hence two steps.
  const [program = "", ...args] = [
    ...Deno.uid() === 0 ? [] : ["unshare", "--user", "--map-root-user"],
    ...["setpriv", "--pdeathsig", "KILL"],
    ...["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
    ...["sh", `${run}/native.sh`, run],
  ];
  return new Deno.Command(program, { args, stdin, stdout: output, stderr: output });
}

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
      KEEP: keptFolders(needed, ["/run", "/var/lib"]),
      // What an ordinary user's overlay notes about a file is in attributes of the user's (5.11).
      OVERLAY_OPTIONS: Deno.uid() === 0 ? "" : ",userxattr",
    }),
  );
}
