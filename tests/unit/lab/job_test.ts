import { assertEquals } from "@std/assert";
import type { Job } from "../../../lab/engine.ts";
import { jobEnvironment, jobScript, keptPaths, namedInTmp } from "../../../lab/job.ts";
import { assignments, quoteAll } from "../../../lab/shell.ts";

const JOB: Job = { command: [], cwd: "/", modules: [], signal: new AbortController().signal };

/** Runs a script and returns what it prints. */
function sh(script: string): string {
  const { stdout } = new Deno.Command("sh", { args: ["-c", script], clearEnv: true }).outputSync();
  return new TextDecoder().decode(stdout);
}

Deno.test("jobEnvironment() passes on only the listed variables and DENO_*", () => {
  const outer = {
    PATH: "/opt/bin:/usr/bin",
    HOME: "/home/u",
    TERM: "xterm",
    NO_COLOR: "1",
    CI: "true",
    DENO_DIR: "/cache",
    TMPDIR: "/big",
    IPVLAN_STATE_DIR: "/var/lib/real",
    SECRET: "x",
  };
  assertEquals(jobEnvironment(outer, "uml", "/run/lab"), {
    HOME: "/home/u",
    TERM: "xterm",
    NO_COLOR: "1",
    CI: "true",
    DENO_DIR: "/cache",
    PATH:
      "/run/lab/bin:/opt/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin:/run/lab/tools",
    IPVLAN_LAB: "uml",
  });
});

Deno.test("jobEnvironment() sets HOME and PATH if they are missing", () => {
  assertEquals(jobEnvironment({}, "native", "/r"), {
    HOME: "/root",
    PATH: "/r/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/r/tools",
    IPVLAN_LAB: "native",
  });
});

Deno.test("jobScript() passes every word unchanged, and runs the command in its folder", () => {
  const words = ["two words", "it's", "$HOME", "`id`", "new\nline", "", "ü"];
  const script = jobScript(
    { ...JOB, command: ["printf", "%s|", ...words], cwd: "/usr" },
    { WITH_QUOTE: "it's $(id)" },
    "sh",
  );
  assertEquals(sh(script), `${words.join("|")}|`);
  const printFolder = jobScript(
    { ...JOB, command: ["sh", "-c", 'pwd; echo "$WITH_QUOTE"'], cwd: "/usr" },
    { WITH_QUOTE: "it's $(id)", "BASH_FUNC_x%%": "() { :; }" },
    "sh",
  );
  assertEquals(sh(printFolder), "/usr\nit's $(id)\n");
});

Deno.test("jobScript() starts a shell if there is no command", () => {
  assertEquals(jobScript(JOB, {}, "/bin/bash"), "cd '/' || exit 126\nexec '/bin/bash' '-i'\n");
});

Deno.test("a shell reads back the values that assignments() wrote", () => {
  const words = ["/a b", "it's", "$x"];
  const script = `${assignments({ ONE: "a 'b' $c", LIST: words })}
    eval "set -- $LIST"; printf '%s\\n' "$ONE" $# "$@"`;
  assertEquals(sh(script), `a 'b' $c\n3\n${words.join("\n")}\n`);
  assertEquals(quoteAll([]), "");
});

Deno.test("keptPaths() returns the hidden folders, without those below another one", () => {
  const hidden = ["/tmp", "/run"];
  assertEquals(
    keptPaths(["/tmp/x/clone/sub", "/home/u", "/tmp/x/clone", "/run/user/1", "/tmpx"], hidden),
    ["/run/user/1", "/tmp/x/clone"],
  );
  assertEquals(keptPaths(["/tmp/a", "/tmp"], hidden), ["/tmp"]);
  assertEquals(keptPaths(["/tmp/a", "/tmp/a-b", "/tmp/a/c"], hidden), ["/tmp/a", "/tmp/a-b"]);
});

Deno.test("namedInTmp() returns what a command names in /tmp, with its neighbours", async () => {
  const folder = await Deno.makeTempDir({ dir: "/tmp" });
  try {
    const named = (...command: string[]) => namedInTmp({ command });
    assertEquals(named("deno", "run", "-A", `${folder}/src/x.ts`), [folder]);
    assertEquals(named("cat", `/tmp/.//${folder.slice(5)}`), [folder]);
    assertEquals(named(`${folder}-missing/x`, "/tmp", "/tmp/", "/tmp/..", "/tmpx", "tmp/x"), []);
    assertEquals(named("/tmp/../etc/passwd", `cat ${folder}`), []);
    assertEquals(namedInTmp({ command: [`${folder}/report.json`], share: folder }), []);
  } finally {
    await Deno.remove(folder);
  }
});
