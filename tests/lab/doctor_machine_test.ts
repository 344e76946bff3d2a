import { DatabaseSync } from "node:sqlite";
import { assertEquals, assertMatch } from "@std/assert";
import { assertOnly, doctor, ipvlan, problemsIn, succeeds } from "../kit/command.ts";
import { inEnv, run, unloadModule } from "../kit/processes.ts";
import { commandHost, temporaryFolder } from "../kit/worlds.ts";

/** A file system in memory at a new folder, mounted with these options. */
async function tmpfs(options: string): Promise<AsyncDisposable & { folder: string }> {
  const folder = await Deno.makeTempDir();
  assertEquals((await run("mount", "-t", "tmpfs", "-o", options, "test", folder)).code, 0);
  return {
    folder,
    [Symbol.asyncDispose]: async () => {
      await run("umount", folder);
      await Deno.remove(folder);
    },
  };
}

Deno.test("doctor says what is wrong with ip", async () => {
  await using _host = await commandHost();
  const folder = await Deno.makeTempDir();
  try {
    using _path = inEnv("PATH", folder);
    using _transport = inEnv("IPVLAN_TRANSPORT", "ip");
    assertOnly(
      await doctor(),
      /^broken ip: The program "ip" is not on PATH → install iproute2 5\.0 /,
    );
    const fake = async (printed: string) => {
      await Deno.writeTextFile(`${folder}/ip`, `#!/bin/sh\necho '${printed}'\n`, { mode: 0o755 });
    };
    await fake("ip utility, iproute2-ss180608");
    assertOnly(await doctor(), /^broken ip: .*ss180608 is older than iproute2 5\.0 → /);
    await fake("BusyBox v1.35.0 multi-call binary.");
    assertOnly(await doctor(), /^broken ip: The program "ip" is not iproute2's: BusyBox /);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("doctor says what is wrong with the state folder", async (t) => {
  await using _host = await commandHost();
  await t.step("it is read-only", async () => {
    await using disk = await tmpfs("ro");
    using _folder = inEnv("IPVLAN_STATE_DIR", `${disk.folder}/state`);
    assertOnly(await doctor(), /^broken state folder: .* cannot be used: Read-only file system/);
  });
  await t.step("the disk is full", async () => {
    await using disk = await tmpfs("size=4096");
    await Deno.writeFile(`${disk.folder}/full`, new Uint8Array(4096));
    using _folder = inEnv("IPVLAN_STATE_DIR", disk.folder);
    assertOnly(await doctor(), /^broken state folder: .* cannot be used: No space left on device/);
  });
  const change = async (sql: string) => {
    await succeeds("network", "ls");
    using db = new DatabaseSync(`${Deno.env.get("IPVLAN_STATE_DIR")}/ipvlan.db`);
    db.exec(sql);
  };
  await t.step("something is half done", async () => {
    await succeeds("network", "create", "--internal", "web");
    await change("UPDATE network SET state = 'making'");
    assertOnly(await doctor(), /^warning state folder: .* network "web" → ipvlan restore$/);
    await ipvlan("restore");
    assertEquals(await doctor(), []);
  });
  await t.step("it is a newer program's", async () => {
    await using folder = await temporaryFolder();
    using _folder = inEnv("IPVLAN_STATE_DIR", folder.path);
    await change("PRAGMA user_version = 99");
    assertOnly(await doctor(), /^broken state folder: .* version is 99, newer than this program's/);
  });
});

Deno.test("doctor says that the caller has no rights", async () => {
  await using _host = await commandHost();
  const deno = [Deno.execPath(), "run", "-A", "--no-check", "--cached-only", "cli.ts"];
  const { code, stdout, stderr } = await run(
    ...["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
    ...[...deno, "doctor", "--json"],
  );
  assertEquals(stderr, "");
  assertOnly(
    problemsIn(code, stdout),
    /^broken rights: Links and namespaces cannot be made \(.*\) → run as root: /,
  );
});

Deno.test("doctor says that the kernel is too old", async () => {
  await using _host = await commandHost();
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "4.1.52\n");
  const release = "/proc/sys/kernel/osrelease";
  assertEquals((await run("mount", "--bind", file, release)).code, 0);
  try {
    assertOnly(await doctor(), /^broken kernel: 4\.1\.52, and ipvlan needs 4\.2 or later → /);
  } finally {
    await run("umount", release);
    await Deno.remove(file);
  }
});

/** Only a kernel of one's own can be without its modules. */
const ownKernel = Deno.env.get("IPVLAN_LAB") === "uml";

Deno.test({ name: "doctor says which module is missing", ignore: !ownKernel }, async () => {
  await using _host = await commandHost();
  const loader = "/proc/sys/kernel/modprobe";
  const before = await Deno.readTextFile(loader);
  await Deno.writeTextFile(loader, "/bin/false");
  try {
    for (const module of ["ipvlan", "8021q", "dummy"]) await unloadModule(module);
    assertEquals(await doctor(), [
      "broken module ipvlan: The kernel does not have it → modprobe ipvlan",
      "warning module 8021q: The kernel does not have it → modprobe 8021q",
      "warning module dummy: The kernel does not have it → modprobe dummy",
    ]);
    assertMatch(
      (await doctor("--parent", "eth0.20"))[1]!,
      /^broken module 8021q: The kernel does not have it → /,
    );
  } finally {
    await Deno.writeTextFile(loader, before.trim());
    for (const module of ["ipvlan", "8021q", "dummy"]) await run("modprobe", module);
  }
  assertEquals(await doctor(), []);
});

Deno.test({ name: "doctor says that sandboxes have no IPv6", ignore: !ownKernel }, async () => {
  await using _host = await commandHost();
  const set = async (disabled: string, inherited: string) => {
    await Deno.writeTextFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", disabled);
    await Deno.writeTextFile("/proc/sys/net/core/devconf_inherit_init_net", inherited);
  };
  try {
    // The host's own setting alone is no reason.
    await set("1", "0");
    assertEquals(await doctor(), []);
    await set("1", "1");
    assertOnly(await doctor(), /^warning IPv6: IPv6 is disabled in new namespaces: /);
    await succeeds("network", "create", "--internal", "--subnet=2001:db8::/64", "six");
    assertOnly(await doctor(), /^broken IPv6: .* these networks have an IPv6 subnet: six → /);
    await succeeds("network", "rm", "six");
  } finally {
    await set("0", "0");
  }
});

Deno.test("doctor and the driver say that there is no /etc/hosts, as on a minimal machine", async () => {
  await using _host = await commandHost();
  const aside = "/etc/hosts.aside";
  await Deno.rename("/etc/hosts", aside);
  try {
    assertOnly(
      await doctor(),
      /^warning names: There is no \/etc\/hosts, so .* by name → touch \/etc\/hosts$/,
    );
    assertEquals((await ipvlan("network", "create", "n")).status, 0);
    const { status, err } = await ipvlan("run", "--net", "n", "--name", "c", "-d");
    assertEquals([status, err.includes("There is no /etc/hosts, so")], [0, true], err);
    assertEquals((await ipvlan("rm", "-f", "c")).status, 0);
    assertEquals((await ipvlan("network", "rm", "n")).status, 0);
  } finally {
    await Deno.rename(aside, "/etc/hosts");
  }
  assertEquals(await doctor(), []);
});
