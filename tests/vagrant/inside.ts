/**
 * The part of `deno task test:vagrant` that runs in namespaces of its own, as
 * `inside.ts STATE BOX STARTED`: libvirt, the machines, and all that is asked of them.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Evidence } from "../../lib/check/mod.ts";
import { carry } from "../../lab/vagrant_carry.ts";
import { STATEMENT_IDS } from "../../scenarios/kit/statements.ts";
import { Checks, PROJECT, type Ran, run, sh } from "./checks.ts";
import { endDaemons, startDaemons } from "./daemons.ts";
import { type Machine, machines } from "./machine.ts";
import { twoKernels } from "./two_kernels.ts";

const [state = "", box = "", started = ""] = Deno.args;
const checks = new Checks(Number(started));
const { say } = checks;

/** What the plain Vagrantfile leaves to the environment. */
const ENV = { LAB_BOX: "ipvlan-lab", VAGRANT_DEFAULT_PROVIDER: "libvirt" };

/** Runs Vagrant as a user would, in `lab`. @throws if it fails. */
async function vagrant(words: string[], env: Record<string, string> = ENV): Promise<string> {
  const { code, stdout, stderr } = await run("vagrant", words, { cwd: `${PROJECT}/lab`, env });
  if (code !== 0) throw new Error(`vagrant ${words.join(" ")} failed: ${stderr}${stdout}`);
  return stdout;
}

/** Runs `deno task lab --engine vagrant`. */
function lab(...words: string[]): Promise<Ran> {
  return run(Deno.execPath(), ["task", "--quiet", "lab", "--engine", "vagrant", ...words], {
    env: ENV,
  });
}

/** The last lines of what was said, for a check that fails. */
const tail = (text: string) => text.trimEnd().split("\n").slice(-15).join("\n");

/** What a report says of a statement, each time that it was checked. */
interface Verdict {
  id: string;
  held: boolean;
  evidence: Evidence[];
}

const told = ({ command, output }: Evidence) => `${command}\n${output}`;

/** The machines that the Vagrantfile defines. */
async function defined(env: Record<string, string>): Promise<string[]> {
  const status = await vagrant(["status", "--machine-readable"], { ...ENV, ...env });
  return status.split("\n").map((line) => line.split(",")).filter((row) => row[2] === "state")
    .map((row) => row[1]!);
}

async function vagrantfile(): Promise<void> {
  await checks.that("vagrant validate passes for the plain Vagrantfile", async () => {
    assertMatch(await vagrant(["validate"], {}), /validated successfully/);
  });
  await checks.that("numbers that are none are refused, all at once", async () => {
    const env = { LAB_HOSTS: "two", LAB_MEMORY: "0" };
    const { code, stderr } = await run("vagrant", ["validate"], { cwd: `${PROJECT}/lab`, env });
    assertEquals(code, 1);
    assertMatch(stderr, /^Invalid LAB_MEMORY "0": .*; Invalid LAB_HOSTS "two": .*$/m);
  });
  await checks.that("one machine is defined, and two with LAB_HOSTS=2", async () => {
    assertEquals(await defined({}), ["host1"]);
    assertEquals(await defined({ LAB_HOSTS: "2" }), ["host1", "host2"]);
  });
}

async function oneMachine(): Promise<void> {
  say("deno task lab --engine vagrant: brings the machine up, which takes minutes");
  const bytes = String.raw`\0\1\n\377\200ok`;
  const first = await lab("--", "sh", "-c", `pwd; printf '${bytes}'; echo err >&2; exit 7`);
  const up = await checks.that("the lab brings a machine up, and runs a command in it", () => {
    assertEquals(first.code, 7, tail(first.stderr));
    assertMatch(first.stderr, /^lab: vagrant \(Vagrant [\d.]+, libvirt: .*\): asked for$/m);
    assertMatch(first.stderr, /lab: installing radvd/);
    assertMatch(first.stderr, /lab: installing the Deno that came with the project/);
    assert(!first.stderr.includes("Progress:"));
  });
  if (!up) return;
  await checks.that("the streams are apart, the folder is the project", () => {
    assertEquals(first.stdout.slice(0, 9), "/vagrant\n");
    assertEquals(first.stdout.slice(9), "\0\x01\n\ufffd\ufffdok");
    assertMatch(first.stderr, /^err$/m);
  });

  const [machine] = await machines(state, ["host1"]);
  assert(machine);
  using _machine = machine;
  await checks.that("the kernel is another than this machine's", async () => {
    assert(
      await machine.sh("cat /proc/sys/kernel/random/boot_id") !==
        await sh("cat /proc/sys/kernel/random/boot_id"),
    );
  });
  await checks.that("who logs in has the modules, ipvlan, Deno, and a greeting", async () => {
    const said = await machine.sh(
      "lsmod | cut -d' ' -f1; bash -lc 'deno --version; ipvlan --help'; cat /etc/motd",
    );
    for (const word of ["dummy", "8021q", "ipvlan", "veth", "bridge", "deno "]) {
      assertMatch(said, new RegExp(`^${word}`, "m"));
    }
    assertMatch(said, /Usage: ipvlan/);
    assertMatch(said, /cd \/vagrant && deno task lab/);
  });
  await checks.that("ipvlan doctor finds nothing broken there", async () => {
    await machine.sh("ipvlan doctor");
  });
  await checks.that("who logs in can do what the greeting says", async () => {
    const said = await machine.sh("su -l vagrant -c 'cd /vagrant && deno task lab l2' 2>&1");
    assertMatch(said, /lab: native \(Linux .*\): the first choice/);
    assertMatch(said, /5 of 5 statements held/);
  });
  await checks.that("provisioning again changes nothing", async () => {
    const said = await vagrant(["provision"]);
    assertEquals(said.match(/lab: .*/g)?.map((line) => line.split(":")[1]), [" ready"], said);
  });
  await checks.that("exit status 255 is the command's, and 137 for a signal", async () => {
    const own = await lab("--", "sh", "-c", "exit 255");
    assertEquals([own.code, own.stdout], [255, ""], tail(own.stderr));
    assertEquals((await lab("--", "sh", "-c", "kill -KILL $$")).code, 137);
  });
  await checks.that("a shell has a terminal, and its exit status is the lab's", async () => {
    const line = `${Deno.execPath()} run -A lab/main.ts --engine vagrant --shell`;
    const { code, stdout } = await run("sh", [
      ...["-c", "printf 'tty; pwd; exit 9\\r' | script -qec \"$1\" /dev/null", "sh", line],
    ], { env: ENV });
    assertEquals(code, 9, tail(stdout));
    assertMatch(stdout, /^\/dev\/pts\/\d+\r?\n\/vagrant\r?$/m);
  });
  await checks.that("a signal ends the lab, and its command in the machine", () => ended(machine));
  await scenarios(machine);
  await checks.that("the lab destroys the machine when it is asked to", async () => {
    const { code, stderr } = await lab("--destroy", "--", "true");
    assertEquals(code, 0, tail(stderr));
    assertEquals(await sh("virsh list --all --name"), "");
  });
}

/** Ends the lab while its command runs. */
async function ended(machine: Machine): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "lab/main.ts", "--engine", "vagrant"],
      ...["--", "sh", "-c", "echo begun; exec sleep 98765"],
    ],
    cwd: PROJECT,
    env: ENV,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const begun = child.stdout.getReader();
  const { value } = await begun.read();
  assertEquals(new TextDecoder().decode(value), "begun\n");
  await machine.sh("pgrep -f 'sleep 9876[5]'");
  child.kill("SIGTERM");
  assertEquals((await child.status).code, 143);
  await begun.cancel();
  assertEquals(await machine.sh("pgrep -af 'sleep 9876[5]' || true"), "");
  assertEquals(await machine.sh("ls -d /run/ipvlan-lab-* 2> /dev/null || true"), "");
}

async function scenarios(machine: Machine): Promise<void> {
  say("all scenarios, in the machine");
  const file = `${state}/report.json`;
  const { code, stdout, stderr } = await lab("--json", file);
  await checks.that("all scenarios run in the machine, and their report comes out", async () => {
    assertEquals(
      code,
      0,
      `${tail(stderr)}\n${stdout.match(/.*NOT held.*|Failed: .*/g)?.join("\n")}`,
    );
    const { engine, kernel, statements } = JSON.parse(await Deno.readTextFile(file));
    assertEquals(engine, "vagrant");
    assertEquals(kernel, await machine.sh("uname -r"));
    assert(kernel !== Deno.osRelease());
    const total = STATEMENT_IDS.length;
    assertEquals(statements, { total, held: total, failed: 0, uncovered: 0 });
    say(`        ${stdout.trimEnd().split("\n").at(-1)}`);
  });
  const report = JSON.parse(await Deno.readTextFile(file).catch(() => '{"scenarios":[]}'));
  const verdicts: Verdict[] = report.scenarios
    .flatMap(({ statements }: { statements: Verdict[] }) => statements);
  for (const id of STATEMENT_IDS) {
    await checks.that(`${id} held on the machine's kernel`, () => {
      const own = verdicts.filter((verdict) => verdict.id === id);
      assert(own.length > 0, "It was not checked");
      const evidence = own.filter(({ held }) => !held).flatMap(({ evidence }) => evidence);
      assert(own.every(({ held }) => held), evidence.map(told).join("\n"));
    });
  }
}

async function twoMachines(): Promise<void> {
  say("LAB_HOSTS=2 vagrant up, which takes minutes");
  const env = { ...ENV, LAB_HOSTS: "2" };
  // As there is no network to get it from, Vagrant alone finds what the lab would send along.
  await carry();
  const up = await checks.that("vagrant up brings two machines up", async () => {
    await vagrant(["up", "--provider=libvirt", "--no-color"], env);
  });
  if (!up) return;
  const [host1, host2] = await machines(state, ["host1", "host2"], env);
  using _host1 = host1;
  using _host2 = host2;
  await twoKernels(checks, host1!, host2!);
  await checks.that("vagrant destroy -f destroys both", async () => {
    await vagrant(["destroy", "-f"], env);
    assertEquals(await sh("virsh list --all --name"), "");
  });
}

async function nothingLeft(): Promise<void> {
  await checks.that("no domain is left", async () => {
    assertEquals(await sh("virsh list --all --name"), "");
  });
  await checks.that("no network is left, nor a link of one", async () => {
    assertEquals(await sh("virsh net-list --all --name"), "");
    assertEquals(await sh("ls /sys/class/net"), "lo");
  });
  await checks.that("no volume is left but the box's, and none without the box", async () => {
    const volumes = (await sh("virsh vol-list default | awk 'NR > 2 { print $1 }'")).split("\n");
    assertEquals(volumes.length, 1, volumes.join("\n"));
    assertMatch(volumes[0]!, /^ipvlan-lab_vagrant_box_image_/);
    await vagrant(["box", "remove", "--force", "ipvlan-lab"]);
    await sh('virsh vol-delete --pool default "$1"', volumes[0]!);
    assertEquals(await sh("ls /var/lib/libvirt/images"), "");
  });
  await checks.that("no process is left", async () => {
    await endDaemons();
    const own = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
      // The first one is the shell that has started this one.
      .filter((id) => id > 1 && id !== Deno.pid);
    assertEquals(await Promise.all(own.map((id) => Deno.readTextFile(`/proc/${id}/cmdline`))), []);
  });
  await checks.that("nothing in the project changed but what .gitignore names", async () => {
    assertEquals(await sh("git status --porcelain"), "");
  });
}

try {
  await startDaemons(say);
  await vagrant(["box", "add", "--name", "ipvlan-lab", box]);
  await vagrantfile();
  await oneMachine();
  await twoMachines();
  await vagrant(["destroy", "-f"], { ...ENV, LAB_HOSTS: "2" });
  await nothingLeft();
} finally {
  await checks.save(state);
}
