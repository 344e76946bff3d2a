// The rooms of lib/ and which may import which, as CONTRIBUTING.md has it.
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { dirname } from "node:path";
import { readPage } from "../kit/pages.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The rooms, without `lib/`, and those that each may import. */
const rooms = new Map(
  readPage("CONTRIBUTING.md").split("\n").filter((line) => line.startsWith("| `lib/"))
    .flatMap((line) => {
      const [, room = "", , , imports = ""] = line.split("|");
      const allowed = imports.split(",").map((each) => each.trim()).filter((each) => each !== "");
      return [...room.matchAll(/`lib\/(.*?)\/`/g)].map(([, name = ""]) => [name, allowed] as const);
    }),
);

/** The room of a file of `lib/`. */
function roomOf(path: string): string | undefined {
  return [...rooms.keys()].filter((room) => path.startsWith(`lib/${room}/`))
    .sort((a, b) => b.length - a.length)[0];
}

/** All modules in a folder of the checkout. */
function modules(folder: string): string[] {
  return [...Deno.readDirSync(ROOT + folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    return isDirectory ? modules(path) : path.endsWith(".ts") ? [path] : [];
  });
}

/** The modules of `lib/` that a module imports. */
function importsOf(path: string): string[] {
  const text = Deno.readTextFileSync(ROOT + path);
  return [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)]
    .map(([, target = ""]) => new URL(target, `file:///${dirname(path)}/`).pathname.slice(1))
    .filter((target) => target.startsWith("lib/"));
}

Deno.test("each room imports from those that its row names, and from no other", () => {
  const used = new Map<string, Set<string>>([...rooms.keys()].map((room) => [room, new Set()]));
  const wrong: string[] = [];
  for (const path of modules("lib")) {
    const room = roomOf(path);
    if (room === undefined) {
      wrong.push(`${path} is in no room`);
      continue;
    }
    for (const target of importsOf(path)) {
      const other = roomOf(target);
      if (other === room || other === undefined) continue;
      used.get(room)!.add(other);
      const isFace = other !== "driver" || room.startsWith("driver") ||
        target === "lib/driver/mod.ts";
      if (!isFace || !rooms.get(room)!.includes(other)) wrong.push(`${path} imports ${target}`);
    }
  }
  assertEquals(wrong, []);
  const unused = [...rooms].flatMap(([room, allowed]) =>
    allowed.filter((other) => !used.get(room)!.has(other)).map((other) => `${room}: ${other}`)
  );
  assertEquals(unused, []);
});

Deno.test("no room imports one that imports it", () => {
  const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
    (rooms.get(from) ?? []).some((next) => {
      if (next === to) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, to, seen);
    });
  assertEquals([...rooms.keys()].filter((room) => reaches(room, room)), []);
});
