import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { type CommandResult, ipvlan, succeeds } from "../kit/command.ts";
import { seeWorld } from "../kit/look.ts";
import { inEnv, run } from "../kit/processes.ts";
import { commandHost, siteFile } from "../kit/worlds.ts";

const SITE = "networks: { web: { parent: eth0.20 } }\nsandboxes: { a: { networks: [web] } }";

/** What changes something, and the exit status where ipvlan itself fails. */
const CHANGES: [words: string[], status: number][] = [
  [["network", "create", "-o", "parent=eth0.30", "new"], 1],
  [["network", "rm", "unused"], 1],
  [["network", "prune", "--force"], 1],
  [["network", "connect", "unused", "old"], 1],
  [["network", "disconnect", "used", "old"], 1],
  [["run", "--rm", "--net", "used", "true"], 125],
  [["rm", "--force", "old"], 1],
  [["apply", "FILE"], 1],
];

/** A host with two networks and a sandbox, and a site file that is not applied. */
async function inhabited() {
  await using undo = new AsyncDisposableStack();
  const host = undo.use(await commandHost());
  const { path } = undo.use(await siteFile(SITE));
  await succeeds("network", "create", "--subnet", "10.9.0.0/24", "-o", "parent=eth0", "used");
  await succeeds("network", "create", "--subnet", "10.8.0.0/24", "-o", "parent=eth0.9", "unused");
  await succeeds("run", "-d", "--net", "used", "--name", "old");
  const folder = Deno.env.get("IPVLAN_STATE_DIR")!;
  const kept = undo.move();
  return { host, path, folder, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Runs `ipvlan` with a PATH, and without netlink. The test keeps its own, to look at the machine. */
async function ipvlanWith(path: string | undefined, words: string[]): Promise<CommandResult> {
  using _path = path === undefined ? undefined : inEnv("PATH", path);
  using _transport = path === undefined ? undefined : inEnv("IPVLAN_TRANSPORT", "ip");
  return await ipvlan(...words);
}

/**
 * Runs every command that changes something. Asserts that each is refused in one line and changes
 * nothing.
 *
 * @param file The site file to apply.
 * @param options.path The PATH of the commands; the test's own by default.
 * @param options.see Looks at the world; {@linkcode seeWorld} by default.
 */
async function assertRefused(
  t: Deno.TestContext,
  file: string,
  says: RegExp,
  { path, see = seeWorld }: { path?: string; see?: () => Promise<unknown> } = {},
): Promise<void> {
  const before = await see();
  for (const [words, expected] of CHANGES) {
    await t.step(words.join(" "), async () => {
      const typed = words.map((word) => word === "FILE" ? file : word);
      const { status, out, err } = await ipvlanWith(path, typed);
      // `network prune` says first which network it is about.
      assertMatch(err.replace('The network "unused" could not be removed: ', ""), says);
      assertEquals([status, out, err.split("\n").length], [expected, "", 1], err);
      assertEquals(await see(), before);
    });
  }
}

/** Does what a shell line says, as the test's own preparation. */
async function shell(line: string): Promise<void> {
  assertEquals(await run("sh", "-c", line), { code: 0, stdout: "", stderr: "" });
}

/** A folder that is a small file system of its own, with what was in it before, until the end of the scope. */
async function smallDisk(folder: string): Promise<AsyncDisposable> {
  await shell(
    `cp -a ${folder} ${folder}.kept && mount -t tmpfs -o size=512k tmpfs ${folder} && ` +
      `cp -a ${folder}.kept/. ${folder} && rm -r ${folder}.kept`,
  );
  return {
    [Symbol.asyncDispose]: () =>
      shell(
        `mount -o remount,rw ${folder}; cp -a ${folder} ${folder}.kept && umount ${folder} && ` +
          `cp -a ${folder}.kept/. ${folder} && rm -r ${folder}.kept`,
      ),
  };
}

Deno.test("a full disk is reported in one line, and nothing changes", async (t) => {
  await using place = await inhabited();
  await using _disk = await smallDisk(place.folder);
  const before = await seeWorld();
  // What cannot be read on a full disk either is looked at when there is room again.
  const filler = `${place.folder}/filler`;
  const fill = () => run("sh", "-c", `cat /dev/zero > ${filler}`);
  const see = async () => {
    await Deno.remove(filler);
    const world = await seeWorld();
    await fill();
    return world;
  };
  await fill();
  try {
    const says = /^ipvlan: The state folder .* cannot be used: .*disk is full/;
    await assertRefused(t, place.path, says, { see });
    await t.step("also where there is no store yet", async () => {
      using _folder = inEnv("IPVLAN_STATE_DIR", `${place.folder}/new`);
      const { status, out, err } = await ipvlan("network", "create", "new");
      assertMatch(err, says);
      assertEquals([status, out, err.split("\n").length], [1, "", 1]);
    });
  } finally {
    await Deno.remove(filler);
  }
  assertEquals(await seeWorld(), before);
});

Deno.test("a read-only state folder is reported in one line, and nothing changes", async (t) => {
  await using place = await inhabited();
  await using _disk = await smallDisk(place.folder);
  const see = async () => {
    await shell(`mount -o remount,rw ${place.folder}`);
    const world = await seeWorld();
    await shell(`mount -o remount,ro ${place.folder}`);
    return world;
  };
  await assertRefused(t, place.path, /^ipvlan: The state folder .*Read-only file system/, { see });
});

Deno.test("a store from a newer version is reported in one line, and nothing changes", async (t) => {
  await using place = await inhabited();
  /** Sets the version, and returns the one before. */
  const setVersion = (version: number) => {
    using db = new DatabaseSync(`${place.folder}/ipvlan.db`);
    const { user_version } = db.prepare("PRAGMA user_version").get()!;
    db.exec(`PRAGMA user_version = ${version}`);
    return Number(user_version);
  };
  const own = setVersion(99);
  const see = async () => {
    setVersion(own);
    const world = await seeWorld();
    setVersion(99);
    return world;
  };
  try {
    const says = /its version is 99, newer than this program's; use a newer program$/;
    await assertRefused(t, place.path, says, { see });
    const { status, out, err } = await ipvlan("network", "ls");
    assertMatch(err, says);
    assertEquals([status, out], [1, ""]);
  } finally {
    setVersion(own);
  }
});

Deno.test("a missing ip is reported in one line, and nothing changes", async (t) => {
  await using place = await inhabited();
  // With all else that is run: a command of the user's, and what the driver itself needs.
  const folder = await Deno.makeTempDir();
  try {
    for (const name of ["true", "sh", "stat"]) {
      await Deno.symlink(`/bin/${name}`, `${folder}/${name}`);
    }
    await assertRefused(t, place.path, /^ipvlan: The program "ip" was not found: install/, {
      path: folder,
    });
    for (const words of ["exec old true", "restore --wait 60", "ps", "graph"]) {
      await t.step(words, async () => {
        const { status, out, err } = await ipvlanWith(folder, words.split(" "));
        assertMatch(err, /^ipvlan: The program "ip" was not found: install iproute2.*$/);
        assertEquals([status, out], [1, ""]);
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("without a stat that works, a sandbox is not taken for one without processes", async () => {
  await using _place = await inhabited();
  const folder = await Deno.makeTempDir();
  try {
    await succeeds("exec", "-d", "old", "sleep", "1000");
    for (const script of ["exit 1", "echo a banner", "kill -KILL $$"]) {
      await Deno.writeTextFile(`${folder}/stat`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      const before = await seeWorld();
      const path = `${folder}:${Deno.env.get("PATH")}`;
      const { status, out, err } = await ipvlanWith(path, ["rm", "old"]);
      assertMatch(err, /^ipvlan: .* \(stat\)$/);
      assertEquals([status, out], [1, ""]);
      assertEquals(await seeWorld(), before);
    }
    assertMatch((await ipvlan("rm", "old")).err, /has processes in it/);
    await succeeds("rm", "--force", "old");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/**
 * An `ip` as old as iproute2 4.9, as far as options go: it knows nothing of JSON. Only that it is
 * refused can be seen with it.
 */
const OLD_IP = `#!/bin/sh
for word; do
  case $word in
    -V) echo "ip utility, iproute2-ss161212"; exit 0 ;;
    -j*) echo "Option \\"$word\\" is unknown, try \\"ip -help\\"." >&2; exit 255 ;;
  esac
done
PATH=\${PATH#*:} exec ip "$@"
`;

Deno.test("an ip that is too old is reported in one line, and nothing changes", async (t) => {
  await using place = await inhabited();
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/ip`, OLD_IP, { mode: 0o755 });
    const path = `${folder}:${Deno.env.get("PATH")}`;
    await assertRefused(
      t,
      place.path,
      /^ipvlan: .*"-json" is unknown.*: install iproute2 5\.0 or later$/,
      { path },
    );
    await t.step("doctor", async () => {
      const { status, out } = await ipvlanWith(path, ["doctor"]);
      assertEquals(status, 1);
      assertStringIncludes(out, "iproute2-ss161212 is older than iproute2 5.0");
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an ip that prints garbage and exits with 0 is reported in one line, and nothing changes", async (t) => {
  await using place = await inhabited();
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/ip`, "#!/bin/sh\necho a banner\n", { mode: 0o755 });
    const path = `${folder}:${Deno.env.get("PATH")}`;
    const says = /^ipvlan: The session "ip.*" has ended: exit status 0; it printed "a banner"$/;
    await assertRefused(t, place.path, says, { path });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
