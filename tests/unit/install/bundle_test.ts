import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  bundleVariables,
  makeBundle,
  managedConfig,
  programFiles,
  readLibraries,
} from "../../../lib/install/bundle.ts";
import { IpvlanError } from "../../../lib/base/errors.ts";
import { temporaryFolder } from "../../kit/worlds.ts";
import { assertRejectsError } from "../../kit/errors.ts";

const [FOLDER, CACHE] = ["/src/kit", "/home/a/.cache/deno"];

Deno.test("a program's files are its modules, and the packages in Deno's cache", () => {
  const graph = {
    modules: [
      { specifier: "file:///src/kit/cli.ts", local: "/src/kit/cli.ts" },
      { specifier: "file:///src/kit/lib/a.ts", local: "/src/kit/lib/a.ts" },
      { specifier: "node:path" },
      {
        specifier: "https://jsr.io/@std/cli/1.0.0/mod.ts",
        local: `${CACHE}/remote/https/jsr.io/1a`,
      },
      {
        specifier: "https://jsr.io/@std/cli/1.0.0/b.ts",
        local: `${CACHE}/remote/https/jsr.io/2b`,
      },
    ],
    // An optional package for another kind of machine is not in the cache.
    npmPackages: {
      "other@1.0.0": {},
      "yaml@2.9.1": { localPath: `${CACHE}/npm/registry/yaml/2.9.1` },
    },
  };
  assertEquals(programFiles(graph, FOLDER, CACHE), [
    { from: "/src/kit/cli.ts", to: "/usr/lib/ipvlan/cli.ts" },
    { from: "/src/kit/lib/a.ts", to: "/usr/lib/ipvlan/lib/a.ts" },
    { from: `${CACHE}/remote/https/jsr.io`, to: "/var/cache/deno/remote/https/jsr.io" },
    {
      from: `${CACHE}/npm/registry/yaml/2.9.1`,
      to: "/var/cache/deno/npm/registry/yaml/2.9.1",
    },
  ]);
});

Deno.test("a program that has a file elsewhere, or a module that cannot be loaded, is no bundle", () => {
  const npmPackages = {};
  const elsewhere = { specifier: "file:///src/other/a.ts", local: "/src/other/a.ts" };
  assertEquals(
    programFiles({ modules: [elsewhere], npmPackages }, FOLDER, CACHE),
    "its file /src/other/a.ts is neither below /src/kit nor in Deno's cache",
  );
  const broken = { specifier: "file:///src/kit/b.ts", error: "Module not found" };
  assertEquals(
    programFiles({ modules: [broken], npmPackages }, FOLDER, CACHE),
    "the module file:///src/kit/b.ts cannot be loaded: Module not found",
  );
});

Deno.test("libraries are read from what ldd prints of several programs", () => {
  const printed = `/usr/sbin/ip:
	linux-vdso.so.1 (0x00007ffc6a5e1000)
	libmnl.so.0 => /lib/x86_64-linux-gnu/libmnl.so.0 (0x00007f3c7a2c3000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f3c7a0e2000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f3c7a4e8000)
/bin/nsenter:
	libcap.so.2 => not found
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f81b3ed7000)
/bin/busybox:
	not a dynamic executable
`;
  const { found, missing } = readLibraries(printed);
  assertEquals(found, [
    "/lib/x86_64-linux-gnu/libmnl.so.0",
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/ld-linux-x86-64.so.2",
  ]);
  assertEquals(missing, ["libcap.so.2"]);
  assertEquals(bundleVariables(found).LD_LIBRARY_PATH, "/lib/x86_64-linux-gnu:/lib64");
});

/** Makes a bundle of this checkout. */
async function bundle(folder: string, step = () => {}, signal = new AbortController().signal) {
  const main = new URL("../../../cli.ts", import.meta.url);
  await makeBundle(folder, { main, version: "1.2.3", stateDir: "/srv/ipvlan", step, signal });
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

Deno.test("a bundle has a root folder and a configuration, and takes the place of an empty folder", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/plugin`;
  await Deno.mkdir(path);
  await bundle(`${path}/`);
  assertEquals(names(folder.path), ["plugin"]);
  assertEquals(names(path), ["config.json", "rootfs"]);
  const config = JSON.parse(await Deno.readTextFile(`${path}/config.json`));
  assertEquals(config.mounts[0].source, "/srv/ipvlan");
  assertEquals(config.entrypoint.slice(-3), ["/usr/lib/ipvlan/cli.ts", "docker", "serve"]);
  const root = `${path}/rootfs`;
  const files = ["bin/deno", "bin/ip", "bin/nsenter", "usr/lib/ipvlan/cli.ts"];
  for (const file of [...files, "usr/lib/ipvlan/deno.json"]) {
    assert((await Deno.stat(`${root}/${file}`)).size > 0, file);
  }
  assertEquals(await Deno.readLink(`${root}/var/run`), "/run");
  const version = new Deno.Command(`${root}/bin/deno`, {
    args: ["run", "-A", "--cached-only", `${root}/usr/lib/ipvlan/cli.ts`, "network", "ls"],
    env: { DENO_DIR: `${root}/var/cache/deno`, IPVLAN_STATE_DIR: `${folder.path}/state` },
  });
  assertEquals((await version.output()).code, 0);
});

Deno.test("a bundle that is interrupted, or cannot be made, leaves nothing", async () => {
  await using folder = await temporaryFolder();
  const abort = new AbortController();
  let steps = 0;
  const second = () => {
    if (++steps === 2) abort.abort(new IpvlanError("interrupted"));
  };
  await assertRejectsError(() => bundle(`${folder.path}/a`, second, abort.signal), "interrupted");
  await assertRejects(() => bundle(`${folder.path}/b/c`), IpvlanError, "there is no folder");
  await assertRejects(() => bundle(""), IpvlanError, "give the name of a folder");
  assertEquals(names(folder.path), []);
  await Deno.writeTextFile(`${folder.path}/file`, "");
  await assertRejects(() => bundle(folder.path), IpvlanError, "it exists, and it is not empty");
  await assertRejects(() => bundle(`${folder.path}/file`), IpvlanError, "it is not a folder");
  assertEquals(names(folder.path), ["file"]);
});

Deno.test("a bundle names all programs that are missing", async () => {
  await using folder = await temporaryFolder();
  const path = Deno.env.get("PATH")!;
  Deno.env.set("PATH", folder.path);
  try {
    const { message } = await assertRejects(() => bundle(folder.path + "/a/b"), IpvlanError);
    for (const name of ["ip", "sh", "nsenter", "ldd"]) {
      assertStringIncludes(message, `The program "${name}" was not found: install`);
    }
    assertStringIncludes(message, "there is no folder");
  } finally {
    Deno.env.set("PATH", path);
  }
});

Deno.test("a managed plugin keeps its records on the machine, and sees its namespaces and processes", () => {
  const machine = { stateDir: "/srv/state", version: "1.2.3" };
  const config = managedConfig(["/deno", "run"], { PATH: "/bin" }, machine) as
    & Record<string, unknown>
    & { mounts: { source: string; destination: string }[] };
  assertEquals(
    config.mounts.map(({ source, destination }) => [source, destination]),
    [["/srv/state", "/var/lib/ipvlan"], ["/run", "/run"]],
  );
  const { interface: socket, pidhost, env, network } = config;
  assertEquals([socket, pidhost, env, network], [
    { types: ["docker.networkdriver/1.0", "docker.ipamdriver/1.0"], socket: "ipvlan-kit.sock" },
    true,
    [{ name: "PATH", value: "/bin" }, { name: "IPVLAN_STATE_DIR", value: "/var/lib/ipvlan" }],
    { type: "host" },
  ]);
});
