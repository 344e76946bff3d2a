import { assertEquals } from "@std/assert";
import { guardStateFolder } from "../../../../lib/driver/store/database.ts";

/** A state folder with some files, each with a mode, that is removed at the end of the scope. */
function folderWith(mode: number, files: Record<string, number>): Disposable & { path: string } {
  const path = Deno.makeTempDirSync();
  for (const [name, mode] of Object.entries(files)) {
    Deno.writeTextFileSync(`${path}/${name}`, "");
    Deno.chmodSync(`${path}/${name}`, mode);
  }
  Deno.chmodSync(path, mode);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

function modeOf(path: string): string {
  return (Deno.statSync(path).mode! & 0o7777).toString(8);
}

Deno.test("a state folder that others may enter, and its files, are narrowed and said", () => {
  using folder = folderWith(0o755, { lock: 0o666, "ipvlan.db": 0o600, "ipvlan.db-wal": 0o640 });
  const { path } = folder;
  assertEquals(guardStateFolder(path, true), [
    `Other users could open ${path}: its mode was 0755, now 0700`,
    `Other users could open ${path}/ipvlan.db-wal: its mode was 0640, now 0600`,
    `Other users could open ${path}/lock: its mode was 0666, now 0600`,
  ]);
  assertEquals(guardStateFolder(path, true), []);
  assertEquals(["", "/lock", "/ip.lock"].map((name) => modeOf(path + name)), ["700", "600", "600"]);
});

Deno.test("a folder that has other files keeps its mode, and so do they", () => {
  using folder = folderWith(0o1777, { lock: 0o644, "somebody's": 0o644 });
  const { path } = folder;
  assertEquals(guardStateFolder(path, true).length, 1);
  assertEquals(
    ["", "/lock", "/somebody's"].map((name) => modeOf(path + name)),
    ["1777", "600", "644"],
  );
});

Deno.test("a folder that somebody else has made keeps its mode, also if it was empty", () => {
  using folder = folderWith(0o1777, { lock: 0o600, "ipvlan.db": 0o600 });
  assertEquals(guardStateFolder(folder.path), []);
  assertEquals(modeOf(folder.path), "1777");
});

Deno.test("a folder or a link in the place of a lock file is left alone", () => {
  using folder = folderWith(0o700, {});
  const { path } = folder;
  Deno.mkdirSync(`${path}/lock`, { mode: 0o755 });
  Deno.symlinkSync("/etc/hostname", `${path}/hosts.lock`);
  assertEquals(guardStateFolder(path), []);
});
