import { assertEquals, assertThrows } from "@std/assert";
import type { Job } from "../../../lab/engine.ts";
import { LabError } from "../../../lab/errors.ts";
import {
  findProvider,
  guestCommand,
  guestEnvironment,
  guestPath,
  machineState,
  removeProgress,
  sshArguments,
} from "../../../lab/vagrant/guest.ts";

const JOB: Job = {
  command: ["true"],
  cwd: "/home/u/kit",
  modules: [],
  signal: new AbortController().signal,
};
const OPTIONS = { project: "/home/u/kit/", id: "1", env: {} };

Deno.test("guestPath() leads the project's files to the machine's copy", () => {
  assertEquals(
    guestPath("/home/u/kit/scenarios/main.ts", "/home/u/kit/"),
    "/vagrant/scenarios/main.ts",
  );
  assertEquals(guestPath("/home/u/kit", "/home/u/kit/"), "/vagrant");
  assertEquals(guestPath("/home/u/kit2/a", "/home/u/kit/"), "/home/u/kit2/a");
  assertEquals(guestPath("/tmp/back\\slash", "/home/u/kit"), "/tmp/back\\slash");
});

Deno.test("guestPath() translates Windows paths to Linux paths", () => {
  const project = "C:\\Users\\me\\kit\\";
  assertEquals(guestPath("C:\\Users\\me\\kit\\lab\\main.ts", project), "/vagrant/lab/main.ts");
  assertEquals(guestPath("C:\\Users\\me\\kit", project), "/vagrant");
  assertEquals(guestPath("C:\\Temp\\lab-1/report.json", project), "/Temp/lab-1/report.json");
});

Deno.test("guestEnvironment() passes on no variables with paths or users of this machine", () => {
  const outer = {
    PATH: "/opt/bin",
    HOME: "/home/u",
    DENO_DIR: "/c",
    LANG: "de",
    NO_COLOR: "1",
    TERM: "xterm",
  };
  assertEquals(guestEnvironment(outer), {
    HOME: "/root",
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    DENO_DIR: "/var/cache/deno",
    TERM: "xterm",
    NO_COLOR: "1",
    IPVLAN_LAB: "vagrant",
  });
});

Deno.test("guestCommand() passes every word unchanged through two shells", () => {
  const words = ["two words", "it's", "$HOME", "`id`", "new\nline", "", "ü"];
  const command = guestCommand(
    { ...JOB, command: ["printf", "%s|", ...words], share: "/tmp/a b" },
    OPTIONS,
  );
  // Runs a script and returns its output. A function `sudo` prints its arguments instead of running.
  const runScript = (script: string) => {
    const { stdout } = new Deno.Command("sh", { args: ["-c", script], clearEnv: true })
      .outputSync();
    return new TextDecoder().decode(stdout);
  };
  const [, sh, path, kind, id, script, share] = runScript(
    `sudo() { printf '%s\\0' "$@"; }\n${command}`,
  )
    .split("\0");
  assertEquals([sh, path, kind, id, share], [
    "sh",
    "/vagrant/lab/guest.sh",
    "command",
    "1",
    "/tmp/a b",
  ]);
  assertEquals(runScript(script!.replace("cd '/vagrant'", "cd /")), `${words.join("|")}|`);
});

Deno.test("guestCommand() starts a shell on the user's terminal", () => {
  const command = guestCommand({ ...JOB, command: [], interactive: true }, OPTIONS);
  assertEquals(command.startsWith("'sudo' '-n' 'sh' '/vagrant/lab/guest.sh' 'shell' '1' "), true);
});

Deno.test("guestCommand() refuses a folder that the machine does not have", () => {
  assertThrows(
    () => guestCommand({ ...JOB, cwd: "/home/u" }, OPTIONS),
    LabError,
    'The virtual machine has no folder "/home/u": run the lab in the project, /home/u/kit/',
  );
});

Deno.test("sshArguments() requests a terminal for a shell only", () => {
  const words = sshArguments({ config: "/tmp/c", machine: "host1" }, "uname -r");
  assertEquals(words.slice(0, 2), ["-F", "/tmp/c"]);
  assertEquals(words.slice(-3), ["-T", "host1", "uname -r"]);
  const shell = sshArguments({ config: "/tmp/c", machine: "host1", terminal: true }, "x");
  assertEquals(shell.slice(-3), ["-tt", "host1", "x"]);
});

Deno.test("machineState() reads vagrant's machine-readable output", () => {
  const status =
    "1795487129,host1,metadata,provider,libvirt\n1795487129,host1,provider-name,libvirt\n" +
    "1795487129,host1,state,not_created\n1795487129,host1,state-human-short,not created\n";
  assertEquals(machineState(status), "not_created");
  assertEquals(machineState(status.replace("not_created", "running")), "running");
  assertEquals(machineState(""), undefined);
});

Deno.test("findProvider() prefers the user's variable, then an installed provider", async () => {
  const has = (...programs: string[]) => (program: string) =>
    Promise.resolve(programs.includes(program));
  assertEquals(await findProvider({ VAGRANT_DEFAULT_PROVIDER: "qemu" }, has("virsh")), "qemu");
  assertEquals(await findProvider({}, has("virsh", "VBoxManage")), "VirtualBox");
  assertEquals(await findProvider({ VBOX_MSI_INSTALL_PATH: "C:\\V\\" }, has()), "VirtualBox");
  assertEquals(await findProvider({}, has("virsh")), "libvirt");
  assertEquals(await findProvider({}, has()), undefined);
});

Deno.test("removeProgress() removes progress bars", () => {
  const bar = "\r\x1b[KProgress: 70% (Rate: 136M/s, Estimated time remaining: 0:00:01)";
  assertEquals(
    removeProgress(`${bar}${bar}\r\x1b[K==> box: Successfully added`),
    "==> box: Successfully added",
  );
  assertEquals(removeProgress(bar), undefined);
  assertEquals(removeProgress("\r\x1b[K"), undefined);
  assertEquals(removeProgress("    host1: ready"), "    host1: ready");
});
