// Tests of the command `deno task lab`, mostly up to the start of an engine.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { killAndFindNothing, lab, list, Traced, tryPlayground } from "../kit/lab.ts";
import { temporaryFolder } from "../kit/worlds.ts";

Deno.test("the lab refuses a wrong command line with one line, and starts nothing", async () => {
  await using folder = await temporaryFolder();
  const cases = [
    ["--bogus"],
    ["--engine", "kvm", "--", "true"],
    ["--"],
    ["--shell", "l2"],
    ["docker-guide"],
    ["--with", "dokcer", "--", "true"],
  ];
  for (const words of cases) {
    const { code, stdout, stderr } = await lab(words, { env: { TMPDIR: folder.path } });
    assertEquals([code, stdout, stderr.split("\n").length], [2, "", 2], stderr);
    assertStringIncludes(stderr, "lab: ");
  }
  assertEquals(list(folder.path), []);
});

Deno.test("the lab reports what the engine vagrant lacks, and where it can run", async () => {
  await using folder = await temporaryFolder();
  const vagrant = (env: Record<string, string>, cwd?: string) =>
    lab(["--engine", "vagrant", "--", "true"], { env: { ...env, DENO_DIR: denoDir() }, cwd });
  const without = await vagrant({ PATH: folder.path });
  assertEquals([without.code, without.stderr], [
    125,
    "lab: The engine vagrant cannot run: this machine has no Vagrant; install it, and VirtualBox\n",
  ]);
  await Deno.writeTextFile(`${folder.path}/vagrant`, "#!/bin/sh\necho Vagrant 2.3.4\n", {
    mode: 0o755,
  });
  const unprovided = await vagrant({ PATH: folder.path });
  assertEquals(unprovided.code, 125);
  assertStringIncludes(unprovided.stderr, "has no provider, such as VirtualBox; install");
  const outside = await vagrant({ PATH: folder.path, VAGRANT_DEFAULT_PROVIDER: "x" }, folder.path);
  assertEquals(outside.code, 125);
  assertStringIncludes(outside.stderr, `lab: The virtual machine has no folder "${folder.path}"`);
});

Deno.test("the lab reports that it has no folder for its cache", async () => {
  const { code, stderr } = await lab(["--engine", "uml", "--", "true"], {
    env: { HOME: "", XDG_CACHE_HOME: "", IPVLAN_LAB_CACHE: "", DENO_DIR: denoDir() },
  });
  assertEquals(code, 125);
  assertEquals(
    stderr,
    "lab: The engine uml cannot run: There is no folder for the lab's cache; " +
      "set HOME or IPVLAN_LAB_CACHE\n",
  );
});

Deno.test("the lab prints its help without an engine", async () => {
  const { code, stdout } = await lab(["--help"]);
  assertEquals(code, 0);
  assertStringIncludes(stdout, "deno task lab -- COMMAND…");
});

Deno.test("the lab lists the scenarios without an engine", async () => {
  const { code, stdout, stderr } = await lab(["--list"]);
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, "l2");
});

Deno.test("the lab brings programs along, and leaves nothing", async () => {
  const version = ["--engine", "uml", "--with", "etcd", "--", "etcd", "--version"];
  await lab(version); // Fetches what is missing.
  await using trace = await Traced.start();
  const { code, stdout, stderr } = await lab(version, { env: trace.env });
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^etcd Version: 3\.4\./);
  assertMatch(stderr, /^lab: uml \(.*\): asked for\n$/);
  assertEquals(trace.left(), { processes: [], files: [] });
  const { before, now } = await trace.machine();
  assertEquals(now, before);
});

Deno.test("a lab with programs leaves nothing when it is killed", async () => {
  const script = "etcd --data-dir /tmp/data 2>&1";
  await killAndFindNothing(["--engine", "uml", "--with", "etcd", "--", "sh", "-c", script]);
});

Deno.test("the lines that the playground suggests work in a guest, and leaving it leaves nothing", async () => {
  await tryPlayground("--engine", "uml");
});

Deno.test("scenarios run side by side, are printed in order, and leave nothing", async () => {
  await using trace = await Traced.start();
  const args = ["--engine", "uml", "prerequisites", "netops", "manual-links"];
  const { code, stdout, stderr } = await lab(args, { env: trace.env });
  assertEquals(code, 0, stderr);
  assertEquals(stdout.match(/^[a-z]\S+(?= {2})/gm), ["prerequisites", "netops", "manual-links"]);
  assertMatch(stdout, /^\d+ of \d+ statements held, 3 scenarios, /m);
  assertEquals(trace.left(), { processes: [], files: [] });
});

Deno.test("scenarios that run side by side leave nothing when the lab is killed", async () => {
  await killAndFindNothing(["--engine", "uml", "l2", "netops"]);
});

Deno.test("the lab writes a scenario's report to a file", async () => {
  await using folder = await temporaryFolder();
  const report = `${folder.path}/report.json`;
  const { code, stderr } = await lab(["l2", "--json", report]);
  const { engine, kernel } = JSON.parse(await Deno.readTextFile(report));
  assertStringIncludes(stderr, `lab: ${engine} (Linux ${kernel}`);
  assertEquals([0, 1].includes(code), true);
  assertEquals(list(folder.path), ["report.json"]);
});

function denoDir(): string {
  const { DENO_DIR, XDG_CACHE_HOME, HOME } = Deno.env.toObject();
  return DENO_DIR ?? `${XDG_CACHE_HOME ?? `${HOME}/.cache`}/deno`;
}
