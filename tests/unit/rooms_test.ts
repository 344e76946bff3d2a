// The rooms of lib/ and which may import which, as CONTRIBUTING.md has it.
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { dirname } from "node:path";
import { readPage } from "../kit/pages.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const PAGE = readPage("CONTRIBUTING.md");

/** The rooms, without `lib/`, and those that each may import. */
const rooms = new Map(
  PAGE.split("\n").filter((line) => line.startsWith("| `lib/"))
    .flatMap((line) => {
      const [, room = "", , imports = ""] = line.split("|");
      const allowed = imports.split(",").map((each) => each.trim()).filter((each) => each !== "");
      return [...room.matchAll(/`lib\/(.*?)\/`/g)].map(([, name = ""]) => [name, allowed] as const);
    }),
);

/** The folders of the tree, in its order. One that is there twice counts with its later line. */
const folders = readTree(PAGE.split("```")[3]!);

function readTree(text: string): string[] {
  const above: string[] = [];
  const found = text.trim().split("\n").flatMap((line) => {
    const [, indent = "", names = ""] = /^( *)((?:\S+\/(?:, )?)+)/.exec(line) ?? [];
    above.length = indent.length / 2;
    const paths = names.split(", ").map((name) => above.join("") + name);
    above.push(names);
    return names === "" ? [] : paths.map((path) => path.replace(/\/$/, ""));
  });
  return [...new Set(found.reverse())].reverse();
}

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
    .filter((target) => target.startsWith("lib/") && target.endsWith(".ts"));
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

Deno.test("each room stands in the tree below those that it imports", () => {
  const place = (room: string) => folders.indexOf(`lib/${room}`);
  const upside = [...rooms].flatMap(([room, allowed]) =>
    allowed.filter((other) => place(other) >= place(room)).map((other) => `${room}: ${other}`)
  );
  assertEquals(upside, []);
  assertEquals([...rooms.keys()].filter((room) => place(room) < 0), []);
});

Deno.test("each folder of the tree is there, and each with modules is in it or in a room", () => {
  const has = (path: string) => folders.some((folder) => `${path}/`.startsWith(`${folder}/`));
  const dirs = ["lib", "lab", "scenarios"].flatMap(modules).map((path) => dirname(path));
  assertEquals([...new Set(dirs)].filter((path) => !has(path)), []);
  const missing = folders.filter((path) => {
    try {
      return !Deno.statSync(ROOT + path).isDirectory;
    } catch {
      return true;
    }
  });
  assertEquals(missing, []);
});

Deno.test("no file of lib/ imports one that imports it, not even for a type", () => {
  const imports = new Map(modules("lib").map((path) => [path, importsOf(path)]));
  // A file that imports no other one left is in no circle, nor is one that no other one imports.
  for (let before = Infinity; imports.size < before;) {
    before = imports.size;
    const imported = new Set([...imports.values()].flat());
    for (const [path, targets] of imports) {
      const left = targets.filter((target) => imports.has(target));
      if (left.length === 0 || !imported.has(path)) imports.delete(path);
      else imports.set(path, left);
    }
  }
  assertEquals([...imports.keys()], []);
});
