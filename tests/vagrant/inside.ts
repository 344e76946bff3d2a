/**
 * The part of `deno task test:vagrant` that runs in fresh namespaces, as
 * `inside.ts STATE BOX STARTED`: it starts libvirt and the machines, and checks them.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Evidence } from "../../lib/check/mod.ts";
import { fillCarriedFolder } from "../../lab/vagrant/carry.ts";
import { STATEMENT_IDS } from "../../scenarios/kit/report/statements.ts";
import type { Ran } from "../kit/processes.ts";
import { Checks, PROJECT, run, sh } from "./checks.ts";
import { endDaemons, startDaemons } from "./daemons.ts";
import { type Machine, machines } from "./machine.ts";
import { checkTwoKernels } from "./two_kernels.ts";

const [state = "", box = "", started = ""] = Deno.args;
const checks = new Checks(Number(started));
const { say } = checks;

/** The environment variables that the Vagrantfile needs here. */
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

/** The last lines of an output, for the message of a failed check. */
const tail = (text: string) => text.trimEnd().split("\n").slice(-15).join("\n");

/** The result of one check of a statement, in the report. */
interface Verdict {
  id: string;
  held: boolean;
  evidence: Evidence[];
}

const formatEvidence = ({ command, output }: Evidence) => `${command}\n${output}`;

/** Lists the machines that the Vagrantfile defines. */
async function listMachines(env: Record<string, string>): Promise<string[]> {
  const status = await vagrant(["status", "--machine-readable"], { ...ENV, ...env });
  return status.split("\n").map((line) => line.split(",")).filter((row) => row[2] === "state")
    .map((row) => row[1]!);
}

async function checkVagrantfile(): Promise<void> {
  await checks.that("vagrant validate accepts the Vagrantfile without variables", async () => {
    assertMatch(await vagrant(["validate"], {}), /validated successfully/);
  });
  await checks.that("invalid numbers are refused, all at once", async () => {
    const env = { LAB_HOSTS: "two", LAB_MEMORY: "0" };
    const { code, stderr } = await run("vagrant", ["validate"], { cwd: `${PROJECT}/lab`, env });
    assertEquals(code, 1);
    assertMatch(stderr, /^Invalid LAB_MEMORY "0": .*; Invalid LAB_HOSTS "two": .*$/m);
  });
  await checks.that("the Vagrantfile defines one machine, and two with LAB_HOSTS=2", async () => {
    assertEquals(await listMachines({}), ["host1"]);
    assertEquals(await listMachines({ LAB_HOSTS: "2" }), ["host1", "host2"]);
  });
}

async function checkOneMachine(): Promise<void> {
  say("deno task lab --engine vagrant: starts the machine, which takes minutes");
  const bytes = String.raw`\0\1\n\377\200ok`;
  const first = await lab("--", "sh", "-c", `pwd; printf '${bytes}'; echo err >&2; exit 7`);
  const up = await checks.that("the lab starts a machine, and runs a command in it", () => {
    assertEquals(first.code, 7, tail(first.stderr));
    assertMatch(first.stderr, /^lab: vagrant \(Vagrant [\d.]+, libvirt: .*\): asked for$/m);
    assertMatch(first.stderr, /lab: installing radvd/);
    assertMatch(first.stderr, /lab: installing the Deno that came with the project/);
    assert(!first.stderr.includes("Progress:"));
  });
  if (!up) return;
  await checks.that("the two streams are separate, and the working folder is the project", () => {
    assertEquals(first.stdout.slice(0, 9), "/vagrant\n");
    assertEquals(first.stdout.slice(9), "\0\x01\n\ufffd\ufffdok");
    assertMatch(first.stderr, /^err$/m);
  });

  const [machine] = await machines(state, ["host1"]);
  assert(machine);
  using _machine = machine;
  await checks.that("the kernel is not this machine's", async () => {
    assert(
      await machine.sh("cat /proc/sys/kernel/random/boot_id") !==
        await sh("cat /proc/sys/kernel/random/boot_id"),
    );
  });
  await checks.that(
    "a user who logs in has the modules, ipvlan, Deno, and a greeting",
    async () => {
      const output = await machine.sh(
        "lsmod | cut -d' ' -f1; bash -lc 'deno --version; ipvlan --help'; cat /etc/motd",
      );
      for (const word of ["dummy", "8021q", "ipvlan", "veth", "bridge", "deno "]) {
        assertMatch(output, new RegExp(`^${word}`, "m"));
      }
      assertMatch(output, /Usage: ipvlan/);
      assertMatch(output, /cd \/vagrant && deno task lab/);
    },
  );
  await checks.that("ipvlan doctor finds no problem in the machine", async () => {
    await machine.sh("ipvlan doctor");
  });
  await checks.that("a user who logs in can run the command of the greeting", async () => {
    const output = await machine.sh("su -l vagrant -c 'cd /vagrant && deno task lab l2' 2>&1");
    assertMatch(output, /lab: native \(Linux .*\): the first choice/);
    assertMatch(output, /5 of 5 statements held/);
  });
  await checks.that("provisioning again changes nothing", async () => {
    const output = await vagrant(["provision"]);
    const messages = output.match(/lab: .*/g)?.map((line) => line.split(":")[1]);
    assertEquals(messages, [" ready"], output);
  });
  await checks.that("the lab passes on exit status 255, and 137 for a signal", async () => {
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
  await checks.that(
    "a signal ends the lab, and its command in the machine",
    () => endByLab(machine),
  );
  await checkScenarios(machine);
  await checks.that("the lab destroys the machine with --destroy", async () => {
    const { code, stderr } = await lab("--destroy", "--", "true");
    assertEquals(code, 0, tail(stderr));
    assertEquals(await sh("virsh list --all --name"), "");
  });
}

/** Ends the lab by a signal while its command runs, and asserts that nothing is left. */
async function endByLab(machine: Machine): Promise<void> {
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

async function checkScenarios(machine: Machine): Promise<void> {
  say("running all scenarios in the machine");
  const file = `${state}/report.json`;
  const { code, stdout, stderr } = await lab("--json", file);
  await checks.that(
    "all scenarios run in the machine, and the lab copies their report",
    async () => {
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
    },
  );
  const report = JSON.parse(await Deno.readTextFile(file).catch(() => '{"scenarios":[]}'));
  const verdicts: Verdict[] = report.scenarios
    .flatMap(({ statements }: { statements: Verdict[] }) => statements);
  for (const id of STATEMENT_IDS) {
    await checks.that(`${id} held on the machine's kernel`, () => {
      const own = verdicts.filter((verdict) => verdict.id === id);
      assert(own.length > 0, "It was not checked");
      const evidence = own.filter(({ held }) => !held).flatMap(({ evidence }) => evidence);
      assert(own.every(({ held }) => held), evidence.map(formatEvidence).join("\n"));
    });
  }
}

async function checkTwoMachines(): Promise<void> {
  say("LAB_HOSTS=2 vagrant up, which takes minutes");
  const env = { ...ENV, LAB_HOSTS: "2" };
  // The machines have no network. Here Vagrant starts them, so we fill the folder that the lab fills.
  await fillCarriedFolder();
  const up = await checks.that("vagrant up starts two machines", async () => {
    await vagrant(["up", "--provider=libvirt", "--no-color"], env);
  });
  if (!up) return;
  const [host1, host2] = await machines(state, ["host1", "host2"], env);
  using _host1 = host1;
  using _host2 = host2;
  await checkTwoKernels(checks, host1!, host2!);
  await checks.that("vagrant destroy -f destroys both", async () => {
    await vagrant(["destroy", "-f"], env);
    assertEquals(await sh("virsh list --all --name"), "");
  });
}

async function checkNothingLeft(): Promise<void> {
  await checks.that("no domain is left", async () => {
    assertEquals(await sh("virsh list --all --name"), "");
  });
  await checks.that("no network is left, and no link of one", async () => {
    assertEquals(await sh("virsh net-list --all --name"), "");
    assertEquals(await sh("ls /sys/class/net"), "lo");
  });
  await checks.that(
    "only the volume of the box is left, and none after the box is removed",
    async () => {
      const volumes = (await sh("virsh vol-list default | awk 'NR > 2 { print $1 }'")).split("\n");
      assertEquals(volumes.length, 1, volumes.join("\n"));
      assertMatch(volumes[0]!, /^ipvlan-lab_vagrant_box_image_/);
      await vagrant(["box", "remove", "--force", "ipvlan-lab"]);
      await sh('virsh vol-delete --pool default "$1"', volumes[0]!);
      assertEquals(await sh("ls /var/lib/libvirt/images"), "");
    },
  );
  await checks.that("no process is left", async () => {
    await endDaemons();
    const own = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name))
      // Process 1 is the shell that started this process.
      .filter((id) => id > 1 && id !== Deno.pid);
    assertEquals(await Promise.all(own.map((id) => Deno.readTextFile(`/proc/${id}/cmdline`))), []);
  });
  await checks.that("only files that .gitignore names have changed in the project", async () => {
    assertEquals(await sh("git status --porcelain"), "");
  });
}

try {
  await startDaemons(say);
  await vagrant(["box", "add", "--name", "ipvlan-lab", box]);
  await checkVagrantfile();
  await checkOneMachine();
  await checkTwoMachines();
  await vagrant(["destroy", "-f"], { ...ENV, LAB_HOSTS: "2" });
  await checkNothingLeft();
} finally {
  await checks.save(state);
}
