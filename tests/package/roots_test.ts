// The packages in minimal roots of Debian, in a guest of the lab: nothing there can be fetched.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { withRouter } from "../../scenarios/kit/engines/machine.ts";
import { type Ran, run, succeed } from "../kit/processes.ts";
import { packagePath, RELEASES, rootPath } from "./prepare.ts";

/** A root of Debian. What is changed in it is in the guest's memory. */
class Root implements AsyncDisposable {
  readonly #undo: AsyncDisposableStack;

  private constructor(readonly path: string, undo: AsyncDisposableStack) {
    this.#undo = undo;
  }

  static async open(path: string): Promise<Root> {
    await using undo = new AsyncDisposableStack();
    // ip-netns(8) changes how `/` is mounted, so it has to be a mount.
    await succeed("mount", "--bind", path, path);
    undo.defer(async () => void await succeed("umount", "--recursive", "--lazy", path));
    await Deno.writeTextFile(`${path}/etc/hosts`, "127.0.0.1 localhost\n");
    for (const folder of ["proc", "sys", "dev"]) {
      await succeed("mount", "--rbind", "--make-rslave", `/${folder}`, `${path}/${folder}`);
    }
    return new Root(path, undo.move());
  }

  /** Runs a program in it. */
  run(...command: readonly string[]): Promise<Ran> {
    const path = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    return run("chroot", this.path, "/usr/bin/env", "-i", path, ...command);
  }

  /** Runs a program in it that has to succeed, and returns its output. */
  async succeed(...command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...command);
    assertEquals(code, 0, `${command.join(" ")}: ${stderr}${stdout}`);
    return stdout.trimEnd();
  }

  /** All paths in it, but for dpkg's own. */
  async paths(): Promise<string[]> {
    const skipped = ["proc", "sys", "dev", "var/lib/dpkg", "var/log"];
    const words = skipped.flatMap((name) => ["-path", `${this.path}/${name}`, "-prune", "-o"]);
    return (await succeed("find", this.path, ...words, "-print")).split("\n").sort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#undo.disposeAsync();
  }
}

/** Copies a file into a root until the end of the scope. */
async function lend(root: Root, path: string, name: string): Promise<AsyncDisposable> {
  const copy = `${root.path}/${name}`;
  await Deno.copyFile(path, copy);
  return { [Symbol.asyncDispose]: () => Deno.remove(copy) };
}

/** The links of this machine. */
const links = (): Promise<string> => succeed("ip", "-br", "link");

/** The variables that the launcher sets. */
const LAUNCHERS = /^(DENO_DIR|DENO_NO_UPDATE_CHECK|IPVLAN_USERS_DENO_DIR)=.*$/gm;

/** The README's first lines, with a router behind `eth0`. */
async function readme(root: Root): Promise<void> {
  const { code, stdout } = await root.run("ipvlan", "doctor");
  assertEquals(code, 0, stdout);
  assertMatch(stdout, /^ipvlan works here$/m);
  await using ip = await Ip.open();
  await using _router = await withRouter(ip);
  const before = await links();
  const ipvlan = (line: string) => root.succeed("ipvlan", ...line.split(" "));
  await using failed = new AsyncDisposableStack();
  failed.defer(async () => void await root.run("ipvlan", "network", "rm", "ipvlan20"));
  failed.defer(async () => void await root.run("ipvlan", "rm", "-f", "web"));
  await ipvlan(
    "network create -d ipvlan --subnet=192.168.20.0/24 --gateway=192.168.20.1 -o parent=eth0.20 ipvlan20",
  );
  assertStringIncludes(
    await ipvlan("run --net ipvlan20 --name probe --rm ping -c 1 192.168.20.1"),
    " 0% packet loss",
  );
  await ipvlan("run -d --net ipvlan20 --ip 192.168.20.10 --name web sleep 1000");
  assertStringIncludes(await ipvlan("exec web ip route"), "default via 192.168.20.1 dev eth0");
  assertMatch(await ipvlan("ps"), /^web .* up .* ipvlan20 192\.168\.20\.10\/24$/m);
  // A file beside the program is not a setting of its Deno, and its variables are its own.
  await Deno.writeTextFile(`${root.path}/deno.json`, "nonsense");
  assertEquals(await root.succeed("sh", "-c", "cd / && ipvlan ps -q"), "web");
  await Deno.remove(`${root.path}/deno.json`);
  assertEquals((await ipvlan("exec web env")).match(LAUNCHERS), null);
  const set = await root.succeed("env", "DENO_DIR=/mine", "ipvlan", "exec", "web", "env");
  assertEquals(set.match(LAUNCHERS), ["DENO_DIR=/mine"]);
  await ipvlan("rm -f web");
  await ipvlan("network rm ipvlan20");
  failed.move();
  assertEquals(await links(), before);
}

for (const release of RELEASES) {
  Deno.test(`Debian ${release}: installed, used, removed and purged, it leaves nothing`, async () => {
    await using root = await Root.open(rootPath(release));
    const before = await root.paths();
    {
      await using _deb = await lend(root, packagePath("amd64.deb"), "ipvlan-kit.deb");
      await root.succeed("dpkg", "-i", "/ipvlan-kit.deb");
    }
    assertEquals(await root.succeed("dpkg", "--verify", "ipvlan-kit"), "");
    await readme(root);
    // An ordinary user has the cache, and cannot change it.
    const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "ipvlan"];
    assertMatch(await root.succeed(...user, "--version"), /^ipvlan \d/);
    assertMatch((await root.run(...user, "network", "ls")).stderr, /^ipvlan: .* run as root/);
    await root.succeed("ipvlan", "cni", "install");
    const called = await root.succeed(
      ...["sh", "-c", "CNI_COMMAND=VERSION /opt/cni/bin/ipvlan-kit < /dev/null"],
    );
    assertStringIncludes(called, '"supportedVersions"');
    await root.succeed("dpkg", "--purge", "ipvlan-kit");
    const after = await root.paths();
    assertEquals(
      after.filter((path) => !before.includes(path)),
      KEPT.map((path) => root.path + path),
    );
  });
}

/** The folder of all programs' namespaces, which is gone after a restart. */
const KEPT: readonly string[] = ["/run/netns"];

Deno.test("a purge keeps the records of networks that are there, and says so", async () => {
  await using root = await Root.open(rootPath("bookworm"));
  await using _deb = await lend(root, packagePath("amd64.deb"), "ipvlan-kit.deb");
  await root.succeed("dpkg", "-i", "/ipvlan-kit.deb");
  await root.succeed("ipvlan", "network", "create", "--internal", "--subnet=10.9.0.0/24", "n");
  const { code, stderr } = await root.run("dpkg", "--purge", "ipvlan-kit");
  assertEquals(code, 0);
  assertMatch(stderr, /^\/var\/lib\/ipvlan stays: /m);
  await root.succeed("dpkg", "-i", "/ipvlan-kit.deb");
  assertEquals(await root.succeed("ipvlan", "network", "rm", "n"), "n");
  await root.succeed("dpkg", "--purge", "ipvlan-kit");
  assertEquals((await root.run("ls", "/var/lib/ipvlan")).code, 2);
});

Deno.test("a purge keeps records that cannot be read", async () => {
  await using root = await Root.open(rootPath("bookworm"));
  await using _deb = await lend(root, packagePath("amd64.deb"), "ipvlan-kit.deb");
  await root.succeed("dpkg", "-i", "/ipvlan-kit.deb");
  await root.succeed("mkdir", "/var/lib/ipvlan");
  const file = `${root.path}/var/lib/ipvlan/ipvlan.db`;
  await Deno.writeTextFile(file, "damaged");
  assertMatch(
    (await root.run("dpkg", "--purge", "ipvlan-kit")).stderr,
    /^\/var\/lib\/ipvlan stays: /m,
  );
  assertEquals(await Deno.readTextFile(file), "damaged");
  await root.succeed("rm", "-r", "/var/lib/ipvlan");
});

Deno.test("the archive works where there is no dpkg", async () => {
  await using root = await Root.open(rootPath("bookworm"));
  for (const { name } of [...Deno.readDirSync(`${root.path}/usr/bin`)]) {
    if (name.startsWith("dpkg")) await Deno.remove(`${root.path}/usr/bin/${name}`);
  }
  const unpack = ["-C", `${root.path}/usr/local`, "--strip-components=1", "-xzf"];
  await succeed("tar", ...unpack, packagePath("amd64.tar.gz"));
  await readme(root);
  // Also by a link to the launcher.
  await root.succeed("ln", "-s", "/usr/local/bin/ipvlan", "/usr/bin/vlans");
  assertMatch(await root.succeed("vlans", "--version"), /^ipvlan \d/);
  assertStringIncludes(
    await root.succeed("ipvlan", "restore", "--print-unit"),
    "\nExecStart=/usr/local/bin/ipvlan restore ",
  );
});

Deno.test("lintian finds nothing that is not explained", async () => {
  await using root = await Root.open(rootPath("lintian"));
  for (const end of ["amd64.deb", "arm64.deb"]) {
    await using _deb = await lend(root, packagePath(end), "ipvlan-kit.deb");
    const found = await root.run("lintian", "--fail-on=error,warning", "/ipvlan-kit.deb");
    assertEquals([found.code, found.stdout], [0, ""]);
  }
});
