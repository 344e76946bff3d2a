/** The engine `uml`. @module */
import type { Engine, Job, Probe } from "./engine.ts";
import { LabError } from "./errors.ts";
import { fetchPackages } from "./fetch.ts";

const PASSED = ["TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CI", "LANG", "LC_ALL", "TZ"];

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** User-Mode Linux. */
export const uml: Engine = {
  name: "uml",
  // deno-lint-ignore require-await
  async probe(): Promise<Probe> {
    return { ok: true, why: "User-Mode Linux" };
  },
  async run(job: Job): Promise<number> {
    const packages = await fetchPackages();
    const run = Deno.makeTempDirSync({ prefix: "ipvlan-lab-" });
    try {
      const home = Deno.env.get("HOME") ?? "/";
      const kept = [
        run,
        job.cwd,
        packages.busybox.replace(/\/bin\/busybox$/, ""),
        packages.modules,
      ].filter((path) => /^\/(tmp|run)(\/|$)/.test(path));
      Deno.writeTextFileSync(
        `${run}/job.sh`,
        Object.entries({
          BUSYBOX: packages.busybox,
          OVERLAY_MODULES: quote(`${packages.modules}/kernel/fs/overlayfs/overlay.ko`),
          KEEP: kept.map(quote).join(" "),
          SHARE: [run, ...job.share ? [job.share] : []].map(quote).join(" "),
          MODULES: packages.modules,
          LOAD: "dummy 8021q ipvlan veth bridge macvlan sch_netem bonding",
        }).map(([key, value]) => `${key}=${quote(value)}\n`).join(""),
      );
      const env: Record<string, string> = {
        HOME: home,
        PATH: [
          `${run}/bin`,
          ...(Deno.env.get("PATH") ?? "").split(":"),
          "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          ...packages.path,
        ].join(":"),
        TMPDIR: "/tmp",
        IPVLAN_LAB: "uml",
      };
      for (const [key, value] of Object.entries(Deno.env.toObject())) {
        if (PASSED.includes(key) || /^(DENO_|IPVLAN_)/.test(key)) env[key] ??= value;
      }
      Deno.mkdirSync(`${run}/bin`);
      Deno.symlinkSync(Deno.execPath(), `${run}/bin/deno`);
      Deno.writeTextFileSync(
        `${run}/command.sh`,
        Object.entries(env).map(([k, v]) => `export ${k}=${quote(v)}\n`).join("") +
          `cd ${quote(job.cwd)} || exit 126\nexec ${job.command.map(quote).join(" ")}\n`,
      );
      const init = await (await fetch(new URL("./init.sh", import.meta.url))).text();
      Deno.writeTextFileSync(`${run}/init.sh`, init);
      const child = new Deno.Command("setpriv", {
        // deno-fmt-ignore
        args: [
          "--pdeathsig", "KILL", "taskset", "-c", `${Deno.pid % navigator.hardwareConcurrency}`, "sh", "-c",
          'exec 3>&1 4>&2 >"$1/log" 2>&1; shift; exec "$@"', "sh", run,
          packages.kernel, "mem=2048M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro",
          "quiet", `uml_dir=${run}/`, "umid=uml",
          "con=null", "con0=null,fd:3", "con1=null,fd:4", "con2=null,fd:1", "ssl=null",
          "console=tty2", `init=${packages.busybox}`, "--", "sh", `${run}/init.sh`, run,
        ],
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      await Promise.all([
        child.stdout.pipeTo(Deno.stdout.writable, { preventClose: true }),
        child.stderr.pipeTo(Deno.stderr.writable, { preventClose: true }),
        child.status,
      ]);
      try {
        return Number(Deno.readTextFileSync(`${run}/status`));
      } catch {
        const log = Deno.readTextFileSync(`${run}/log`).trimEnd().split("\n").slice(-30).join("\n");
        throw new LabError(`The kernel ended before the command did\n${log}`);
      }
    } finally {
      Deno.removeSync(run, { recursive: true });
    }
  },
};
