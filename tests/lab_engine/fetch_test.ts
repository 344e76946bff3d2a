// Tests of fetching, with a fake apt-get. It needs no network, and a test can make it fail.
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { LabError, MissingError } from "../../lab/errors.ts";
import { writeFileList } from "../../lab/fetch/cache.ts";
import { fetchFolders, fetchPackages } from "../../lab/fetch/fetch.ts";
import { exists } from "../../lab/machine.ts";
import { list } from "../kit/lab.ts";
import { temporaryFolder } from "../kit/worlds.ts";

/**
 * The fake apt-get. It writes its arguments into `calls`, and makes small packages. It fails if there
 * is a file `broken`.
 */
const APT_GET = `#!/bin/sh
echo "$@" >> "$APT/calls"
lists= words= plan=
for word; do
  case $word in
    Dir::State::Lists=*) lists=own;;
    --print-uris) plan=1;;
    -*|*::*) ;;
    *) words="$words \${word%=*}";;
  esac
done
set -- $words
[ "$1" != indextargets ] || echo "Packages http://mirror.example/debian/ stable main"
[ "$1" = download ] || exit 0
cat sources.list >> "$APT/sources" 2> /dev/null
shift
[ ! -e "$APT/broken" ] || { echo "W: A warning"; echo "E: Unable to locate package $1" >&2; exit 100; }
[ ! -e "$APT/stale" ] || [ "$lists" ] || { echo "E: No lists" >&2; exit 100; }
for name; do
  [ ! "$plan" ] || { echo "'http://mirror.example/x' \${name}_1_all.deb 1200000 SHA256:0"; continue; }
  bin=bin; [ ! -e "$APT/merged" ] || bin=usr/bin
  mkdir -p "tree/DEBIAN" "tree/usr/sbin" "tree/$bin"
  printf 'Package: %s\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' "$name" \\
    > tree/DEBIAN/control
  echo new > "tree/usr/sbin/$name"
  [ -e "$APT/empty" ] || echo new > "tree/$bin/busybox"
  dpkg-deb -b tree "\${name}_1_all.deb" > /dev/null
  rm -r tree
done
`;

/** What a test with the fake apt-get works with. */
interface FakeApt {
  /** The folder of the fake; files in it change what it does. */
  folder: string;
  /** The folder of the lab's cache. */
  cache: string;
  /** Reads the arguments of each call. */
  calls: () => string[];
  /** Collects the lines that the lab prints. */
  lines: string[];
}

/** Calls `use` with the fake apt-get on PATH and an empty cache. */
async function withApt(use: (apt: FakeApt) => unknown): Promise<void> {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const variables = {
    PATH: `${path}/bin:${Deno.env.get("PATH")}`,
    IPVLAN_LAB_CACHE: `${path}/cache`,
    APT: path,
  };
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  await Deno.mkdir(`${path}/bin`);
  await Deno.writeTextFile(`${path}/bin/apt-get`, APT_GET, { mode: 0o755 });
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  try {
    const calls = () => {
      if (!list(path).includes("calls")) return [];
      return Deno.readTextFileSync(`${path}/calls`).trimEnd().split("\n");
    };
    await use({ folder: path, cache: `${path}/cache/lab`, calls, lines: [] });
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}

const NAMES = ["radvd", "busybox-static"] as const;
const QUIET = { say: () => {} };

Deno.test("fetchPackages() fetches once, and leaves only the packages", async () => {
  await withApt(async ({ cache, calls, lines }) => {
    const say = (line: string) => void lines.push(line);
    const packages = await fetchPackages(NAMES, { say });
    assertEquals(packages, {
      "radvd": `${cache}/radvd/usr/sbin/radvd`,
      "busybox-static": `${cache}/busybox-static/bin/busybox`,
    });
    assertEquals(list(cache), ["busybox-static", "lock", "radvd"]);
    assertEquals(await Deno.readTextFile(`${cache}/radvd/usr/sbin/radvd`), "new\n");
    assertEquals(lines, [`fetching radvd, busybox-static into ${cache}`]);
    await fetchPackages(NAMES, { say });
    assertEquals(calls().length, 1);
    assertStringIncludes(calls()[0]!, "APT::Sandbox::User=root");
  });
});

Deno.test("fetchFolders() says how large any packages are before it fetches them, and only then", async () => {
  await withApt(async ({ cache, calls, lines }) => {
    const options = { announce: true, say: (line: string) => void lines.push(line) };
    const folders = [`${cache}/frr`, `${cache}/docker.io`];
    assertEquals(await fetchFolders(["frr", "docker.io"], options), folders);
    assertEquals(lines, [
      `fetching frr, docker.io into ${cache}`,
      "downloading 2 packages, 3 MB",
    ]);
    assertEquals(await Deno.readTextFile(`${folders[0]}/usr/sbin/frr`), "new\n");
    assertStringIncludes(calls().at(-1)!, " download frr=1 docker.io=1");
    await fetchFolders(["docker.io"], options);
    assertEquals([calls().length, lines.length], [2, 2]);
    await Deno.remove(`${folders[0]}/usr/sbin/frr`);
    await fetchFolders(["frr", "docker.io"], options);
    assertEquals(lines.slice(2), [
      `${cache}/frr is damaged`,
      `fetching frr into ${cache}`,
      "downloading 1 package, 2 MB",
    ]);
  });
});

Deno.test("fetchPackages() does not call apt-get if no package is missing", async () => {
  await withApt(async ({ calls, cache }) => {
    assertEquals(await fetchPackages([], QUIET), {});
    assertEquals([calls(), list(cache)], [[], []]);
  });
});

Deno.test("fetchPackages() in two labs at once fetches once", async () => {
  await withApt(async ({ calls }) => {
    const module = new URL("../../lab/fetch/fetch.ts", import.meta.url);
    const script = `import { fetchPackages } from "${module}";
      console.log((await fetchPackages(["radvd"], { say() {} })).radvd);`;
    const both = await Promise.all(
      [1, 2].map(() =>
        new Deno.Command(Deno.execPath(), { args: ["eval", script], stderr: "inherit" }).output()
      ),
    );
    assertEquals(both.map(({ code }) => code), [0, 0]);
    assertEquals(both[0]!.stdout, both[1]!.stdout);
    assertEquals(calls().length, 1);
  });
});

Deno.test("fetchPackages() replaces incomplete packages, and only those", async () => {
  await withApt(async ({ cache, calls }) => {
    await Deno.mkdir(`${cache}/radvd/usr/share`, { recursive: true });
    await Deno.mkdir(`${cache}/fetch-killed/cache`, { recursive: true });
    await Deno.mkdir(`${cache}/busybox-static/bin`, { recursive: true });
    await Deno.writeTextFile(`${cache}/busybox-static/bin/busybox`, "old\n");
    await writeFileList(`${cache}/busybox-static`);
    await fetchPackages(NAMES, QUIET);
    assertEquals(list(cache), ["busybox-static", "lock", "radvd"]);
    assertEquals(list(`${cache}/radvd/usr`), ["sbin"]);
    assertEquals(await Deno.readTextFile(`${cache}/busybox-static/bin/busybox`), "old\n");
    assertEquals(calls().map((call) => call.split(" ").at(-1)), ["radvd"]);
  });
});

Deno.test("fetchPackages() makes its own package lists if the machine has none", async () => {
  await withApt(async ({ folder, cache, calls }) => {
    await Deno.writeTextFile(`${folder}/stale`, "");
    await fetchPackages(["radvd"], QUIET);
    assertEquals(list(cache), ["lock", "radvd"]);
    assertEquals(calls().map((call) => /update|download/.exec(call)?.[0]), [
      "download",
      "update",
      "download",
    ]);
  });
});

Deno.test("fetchPackages() reports the missing packages and what to do, and leaves nothing", async () => {
  await withApt(async ({ folder, cache }) => {
    await Deno.writeTextFile(`${folder}/broken`, "");
    const error = await assertRejects(() => fetchPackages(NAMES, QUIET), MissingError);
    assertEquals(
      error.message,
      "Cannot fetch radvd, busybox-static (Unable to locate package radvd); connect to the " +
        "network, or install them yourself (apt-get install radvd busybox-static)",
    );
    assertEquals(list(cache), ["lock"]);
  });
});

Deno.test("fetchPackages() replaces a package with a truncated, changed or missing file", async () => {
  await withApt(async ({ cache, calls }) => {
    const { radvd } = await fetchPackages(["radvd"], QUIET);
    const content = await Deno.readTextFile(radvd);
    const lines: string[] = [];
    const options = { say: (line: string) => void lines.push(line) };
    const damages = [
      () => Deno.truncate(radvd, 1),
      // As long as before. What dpkg unpacks is older, as packages were made earlier.
      () => Deno.writeTextFile(radvd, content.replaceAll(/[^]/g, "x")),
      () => Deno.remove(radvd),
    ];
    for (const damage of damages) {
      await damage();
      const before = calls().length;
      assertEquals((await fetchPackages(["radvd"], options)).radvd, radvd);
      assertEquals(calls().length > before, true);
      assertEquals(await Deno.readTextFile(radvd), content);
      assertEquals(lines.splice(0)[0], `${cache}/radvd is damaged`);
    }
    // A copy of the cache may have lost the times.
    await Deno.utime(radvd, 1, 1);
    await fetchPackages(["radvd"], options);
    assertEquals(lines, []);
  });
});

Deno.test("fetchPackages() finds a package's file in /bin and in /usr/bin", async () => {
  await withApt(async ({ folder, cache }) => {
    await Deno.writeTextFile(`${folder}/merged`, "");
    assertEquals(await fetchPackages(["busybox-static"], QUIET), {
      "busybox-static": `${cache}/busybox-static/usr/bin/busybox`,
    });
  });
});

Deno.test("fetchPackages() refuses a package without the needed file, and leaves nothing", async () => {
  await withApt(async ({ folder, cache }) => {
    await Deno.writeTextFile(`${folder}/empty`, "");
    await assertRejects(
      () => fetchPackages(["busybox-static"], QUIET),
      LabError,
      "The fetched package busybox-static has no file busybox",
    );
    assertEquals(list(cache), ["lock"]);
  });
});

Deno.test("fetchPackages() fetches a later release from the archive in the machine's own sources", {
  // Only a Debian machine has Debian's archive in its sources, and Debian's keys.
  ignore: !exists("/usr/share/keyrings/debian-archive-keyring.gpg"),
}, async () => {
  await withApt(async ({ folder, cache, calls, lines }) => {
    const options = { release: "forky", say: (line: string) => void lines.push(line) } as const;
    assertEquals(await fetchPackages(["radvd"], options), {
      "radvd": `${cache}/forky/radvd/usr/sbin/radvd`,
    });
    assertEquals(list(`${cache}/forky`), ["radvd"]);
    assertEquals(lines, [`fetching radvd of Debian forky into ${cache}/forky`]);
    assertMatch(
      await Deno.readTextFile(`${folder}/sources`),
      /^deb \[signed-by=\S+\] http:\/\/mirror\.example\/debian\/ forky main\n$/,
    );
    const words = calls().map((call) => /indextargets|update|download/.exec(call)?.[0]);
    assertEquals(words, ["indextargets", "update", "download"]);
  });
});

Deno.test("fetchPackages() ends when its signal is aborted while another lab locks the cache", async () => {
  await withApt(async ({ cache, calls, lines }) => {
    await Deno.mkdir(cache, { recursive: true });
    using other = await Deno.open(`${cache}/lock`, { write: true, create: true });
    await other.lock(true);
    const abort = new AbortController();
    const say = (line: string) => {
      lines.push(line);
      abort.abort();
    };
    await assertRejects(
      () => fetchPackages(["radvd"], { say, signal: abort.signal }),
      DOMException,
    );
    assertEquals(lines, [`waiting for another lab, which is filling ${cache}`]);
    assertEquals([calls(), list(cache)], [[], ["lock"]]);
    await other.unlock();
  });
});

Deno.test("fetchPackages() waits for the dpkg of a killed fetch, then removes its folder", async () => {
  await withApt(async ({ cache }) => {
    await Deno.mkdir(`${cache}/fetch-killed`, { recursive: true });
    using tar = await Deno.open(`${cache}/fetch-killed/unpacking`, { write: true, create: true });
    await tar.lock(true);
    const abort = new AbortController();
    const say = (line: string) => abort.abort(new Error(line));
    await assertRejects(
      () => fetchPackages(["radvd"], { say, signal: abort.signal }),
      Error,
      `waiting for dpkg of a killed lab, which still unpacks into ${cache}/fetch-killed`,
    );
    assertEquals(list(cache), ["fetch-killed", "lock"]);
    await tar.unlock();
    await fetchPackages(["radvd"], QUIET);
    assertEquals(list(cache), ["lock", "radvd"]);
  });
});
