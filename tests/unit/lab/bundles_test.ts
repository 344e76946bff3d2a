import { assertEquals } from "@std/assert";
import { DEBIAN_RELEASES } from "../../../lab/fetch/apt.ts";
import {
  type Bundle,
  BUNDLE_NAMES,
  bundleConflict,
  bundleModules,
  BUNDLES,
  planPackages,
} from "../../../lab/fetch/bundles.ts";
import { programVariables } from "../../../lab/fetch/packages.ts";

/** The names of the packages of a bundle that get into a guest in this way. */
function planned(names: Parameters<typeof planPackages>[0], libc: string | undefined, how: string) {
  return planPackages(names, libc).filter((one) => one.how === how)
    .map(({ release, name }) => `${release} ${name}`);
}

Deno.test("every bundle names packages, absolute paths, and modules as modprobe(8) spells them", () => {
  for (const name of BUNDLE_NAMES) {
    const bundle: Bundle = BUNDLES[name];
    assertEquals(planPackages([name], "2.36").length > 0, true, name);
    const paths = ["folders", "links", "files"] as const;
    for (const path of paths.flatMap((key) => pathsOf(bundle[key]))) {
      assertEquals(/^~?(\/[\w.-]+)+$/.test(path), true, path);
    }
    for (const module of bundle.modules) assertEquals(/^\w+$/.test(module), true, module);
  }
});

function pathsOf(field: readonly string[] | Readonly<Record<string, unknown>> = []): string[] {
  return Array.isArray(field) ? field : Object.keys(field);
}

Deno.test("planPackages() plans the packages of older releases first, each once", () => {
  const plan = planPackages(["docker26", "podman5"], "2.36");
  const releases = plan.map(({ release }) => DEBIAN_RELEASES.indexOf(release));
  assertEquals(releases, releases.toSorted((a, b) => a - b));
  const keys = plan.map(({ release, name }) => `${release} ${name}`);
  assertEquals(keys.length, new Set(keys).size);
});

Deno.test("planPackages() replaces programs, and libraries only by those of a newer release", () => {
  const names = ["podman5"] as const;
  assertEquals(planned(names, "2.36", "add").includes("bookworm libip6tc2"), true);
  assertEquals(planned(names, "2.36", "replace").includes("trixie libseccomp2"), true);
  assertEquals(planned(names, "2.41", "add").includes("trixie libseccomp2"), true);
  for (const libc of ["2.36", "2.41", "2.43", undefined]) {
    const programs = planned(names, libc, "replace").filter((name) => !name.includes(" lib"));
    assertEquals(programs.slice(0, 2), ["bookworm conmon", "bookworm iptables"]);
    assertEquals(programs.includes("trixie podman"), true);
  }
});

Deno.test("planPackages() exchanges the C library only where a bundle needs a newer one", () => {
  assertEquals(planned(["podman5", "etcd"], "2.36", "libc"), ["trixie libc6"]);
  assertEquals(planned(["podman5"], "2.41", "libc"), []);
  assertEquals(planned(["docker26", "containerd21"], "2.36", "libc"), []);
});

Deno.test("bundleConflict() names the program that two bundles bring in two versions", () => {
  assertEquals(
    bundleConflict(["podman4", "podman5"]),
    "Both podman4 and podman5 bring podman: choose one of them",
  );
  assertEquals(bundleConflict(["docker20", "containerd16", "podman4", "etcd", "frr"]), undefined);
  assertEquals(bundleConflict(["docker26", "podman5"]), undefined);
});

Deno.test("bundleModules() lists each module once, and none for a bundle that needs none", () => {
  assertEquals(bundleModules(["docker26", "containerd16", "etcd"]), ["iptable_nat", "overlay"]);
  assertEquals(bundleModules(["etcd", "frr"]), []);
});

Deno.test("programVariables() writes links, files and users as pairs, and each folder once", () => {
  const bundle: Bundle = {
    what: "",
    megabytes: 1,
    packages: {},
    modules: [],
    memory: 512,
    users: { frr: "frrvty", etcd: undefined },
    folders: ["/etc/a", "~/.a"],
    links: { "/usr/bin/a": "b" },
    files: { "/etc/a/b": "it's\n" },
  };
  const folders = { replace: ["/cache/a"], add: [], libc: undefined };
  assertEquals(programVariables({ ...folders, memory: 512, bundles: [bundle, bundle] }, "/root"), {
    REPLACE: ["/cache/a"],
    ADD: [],
    LIBC: "",
    FOLDERS: ["/etc/a", "/root/.a"],
    USERS: ["frr", "frrvty", "etcd", "", "frr", "frrvty", "etcd", ""],
    LINKS: ["/usr/bin/a", "b", "/usr/bin/a", "b"],
    FILES: ["/etc/a/b", "it's\n", "/etc/a/b", "it's\n"],
  });
});
