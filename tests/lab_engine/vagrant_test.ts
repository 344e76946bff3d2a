// Tests of the engine vagrant without a virtual machine: fake programs `vagrant` and `ssh` log their
// calls. `deno task test:vagrant` tests it with the real programs.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { list, PROJECT, read, type RunResult } from "../kit/lab.ts";

const VAGRANT = `#!/bin/sh
echo "vagrant $*" >> "$CALLS"
case $1 in
  --version) echo Vagrant 2.3.4 ;;
  status) echo "1,host1,state,$STATE" ;;
  ssh-config) echo Host host1 ;;
  *) printf '\\rProgress: 7%%\\r\\033[K%s\\n' "output of vagrant"; exit "\${FAILS:-0}" ;;
esac
`;

/** The fake ssh. It logs the kind of each call, not the whole command line. */
const SSH = `#!/bin/sh
for word; do :; done
case $word in
  *guest.sh*) echo "ssh guest.sh" >> "$CALLS"; echo out; echo err >&2; exit "\${STATUS:-0}" ;;
  *.255*) echo "ssh mark" >> "$CALLS"; exit "\${UNMARKED:-0}" ;;
  *tar*) echo "ssh tar" >> "$CALLS"; cd "$REPORTS" && exec tar -cf - . ;;
esac
`;

/** A folder with a copy of the project and the fake programs. */
class Stage implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(): Promise<Stage> {
    const folder = await Deno.makeTempDir();
    const script = `mkdir -p "$1/bin" "$1/kit" "$1/tmp" "$1/reports"
      cd "$2" && cp -r lib lab scenarios offline mod.ts cli.ts deno.json deno.lock "$1/kit"
      rm -rf "$1/kit/lab/.vagrant" "$1/kit/lab/.guest"`;
    const { success } = await new Deno.Command("sh", {
      args: ["-ec", script, "sh", folder, PROJECT],
    }).output();
    assert(success);
    await Deno.writeTextFile(`${folder}/bin/vagrant`, VAGRANT, { mode: 0o755 });
    await Deno.writeTextFile(`${folder}/bin/ssh`, SSH, { mode: 0o755 });
    await Deno.writeTextFile(`${folder}/reports/report.json`, "a report");
    return new Stage(folder);
  }

  /** Runs the lab in the copy. `calls` are the calls of the fake programs, joined by commas. */
  async lab(
    words: string[],
    env: Record<string, string> = {},
  ): Promise<RunResult & { calls: string }> {
    await Deno.writeTextFile(`${this.#folder}/calls`, "");
    const result = read(
      await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "lab/main.ts", "--engine", "vagrant", ...words],
        cwd: `${this.#folder}/kit`,
        env: {
          PATH: `${this.#folder}/bin:/usr/bin:/bin`,
          TMPDIR: `${this.#folder}/tmp`,
          VAGRANT_DEFAULT_PROVIDER: "libvirt",
          CALLS: `${this.#folder}/calls`,
          REPORTS: `${this.#folder}/reports`,
          STATE: "running",
          ...env,
        },
        stdin: "null",
      }).output(),
    );
    const calls = (await Deno.readTextFile(`${this.#folder}/calls`)).trim().split("\n");
    assertEquals(calls.shift(), "vagrant --version");
    assertEquals(list(`${this.#folder}/tmp`), []);
    return { ...result, calls: calls.join(", ") };
  }

  /** The names of the files in a folder of the copy. */
  list(folder: string): string[] {
    return list(`${this.#folder}/kit/${folder}`);
  }

  /** Reads a file that the lab wrote in the copy. */
  read(file: string): Promise<string> {
    return Deno.readTextFile(`${this.#folder}/kit/${file}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Deno.remove(this.#folder, { recursive: true });
  }
}

const STATUS = "vagrant status --machine-readable host1";

Deno.test("vagrant starts the machine if it does not run, or else sends the project", async () => {
  await using stage = await Stage.make();
  const fresh = await stage.lab(["--", "true"], { STATE: "not_created" });
  assertEquals([fresh.code, fresh.stdout], [0, "out\n"], fresh.stderr);
  assertEquals(fresh.calls, `${STATUS}, vagrant up host1, vagrant ssh-config host1, ssh guest.sh`);
  assertMatch(fresh.stderr, /^output of vagrant$/m);
  assertMatch(fresh.stderr, /^err$/m);
  assert(!fresh.stderr.includes("Progress"));
  const again = await stage.lab(["--", "true"]);
  assertEquals(
    again.calls,
    `${STATUS}, vagrant rsync host1, vagrant ssh-config host1, ssh guest.sh`,
  );
});

Deno.test("vagrant sends Deno and the project's imports into the machine", async () => {
  await using stage = await Stage.make();
  await stage.lab(["--", "true"]);
  assertEquals(stage.list("lab/.guest").includes("deno_dir"), true);
  assertEquals(stage.list("lab/.guest").includes("deno"), Deno.build.os === "linux");
  const [registry = ""] = stage.list("lab/.guest/deno_dir/npm");
  for (const name of ["ip-address", "sorted-btree"]) {
    const [version = ""] = stage.list(`lab/.guest/deno_dir/npm/${registry}/${name}`);
    const files = stage.list(`lab/.guest/deno_dir/npm/${registry}/${name}/${version}`);
    assertEquals(files.includes("package.json"), true);
  }
});

Deno.test("vagrant passes the exit status on, and recognizes a failure of ssh itself", async () => {
  await using stage = await Stage.make();
  assertEquals((await stage.lab(["--", "true"], { STATUS: "7" })).code, 7);
  const own = await stage.lab(["--", "true"], { STATUS: "255" });
  assertEquals(own.code, 255);
  assertEquals(own.calls.endsWith("ssh guest.sh, ssh mark"), true);
  const broken = await stage.lab(["--", "true"], { STATUS: "255", UNMARKED: "1" });
  assertEquals(broken.code, 125);
  assertStringIncludes(broken.stderr, "lab: The connection to the virtual machine broke");
});

Deno.test("vagrant copies the report from the machine", async () => {
  await using stage = await Stage.make();
  const { code, calls, stderr } = await stage.lab(["l2", "--json", "r.json"], { STATUS: "1" });
  assertEquals(code, 1, stderr);
  assertEquals(calls.endsWith("ssh guest.sh, ssh tar"), true);
  assertEquals(await stage.read("r.json"), "a report");
});

Deno.test("vagrant halts or destroys the machine afterwards, also if the command failed", async () => {
  await using stage = await Stage.make();
  assertEquals((await stage.lab(["--halt", "--", "true"])).calls.endsWith(", vagrant halt"), true);
  const { code, calls } = await stage.lab(["--destroy", "--", "true"], { STATUS: "3" });
  assertEquals(code, 3);
  assertEquals(calls.endsWith("ssh guest.sh, vagrant destroy --force"), true);
  assertEquals(stage.list("lab").includes(".guest"), false);
});

Deno.test("if vagrant itself fails, the lab fails and does not run the command", async () => {
  await using stage = await Stage.make();
  const { code, calls, stderr } = await stage.lab(["--", "true"], { FAILS: "1" });
  assertEquals(code, 125);
  assertEquals(calls, `${STATUS}, vagrant rsync host1`);
  assertStringIncludes(
    stderr,
    "output of vagrant\nlab: The engine vagrant cannot run: vagrant rsync failed; see above",
  );
});
