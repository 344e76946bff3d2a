import { assertEquals } from "@std/assert";
import { IpvlanError } from "../../../lib/base/errors.ts";
import {
  anything,
  exactly,
  fits,
  flag,
  list,
  object,
  oneOf,
  optional,
  parsed,
  placeOf,
  read,
  type Reader,
  record,
  show,
  text,
  textLike,
  whole,
} from "../../../lib/base/reader.ts";

const digits = textLike("digits", /^\d+$/);
const number = parsed("a number", (text) => JSON.parse(text) as number);
const point: Reader<{ x: number; y?: number }> = object({ x: whole, y: optional(whole) });
const only: Reader<{ size?: string }> = exactly({ size: optional(text) });

/** A reader, the values that it takes as they are, and those that it refuses. */
const KINDS: [name: string, reader: Reader<unknown>, taken: unknown[], refused: unknown[]][] = [
  ["anything", anything, [1, "a", null, undefined], []],
  ["text", text, ["", "a"], [1, null, undefined, ["a"]]],
  ["flag", flag, [true, false], [0, "true", undefined]],
  ["whole", whole, [0, -1, 2 ** 53 - 1], [1.5, 2 ** 53, "1", undefined]],
  ["textLike", digits, ["12"], ["a", 12, undefined]],
  ["oneOf", oneOf<string | number>("a", 7), ["a", 7], ["b", "7", undefined]],
  ["optional", optional(text), ["a", undefined], [1, null]],
  ["list", list(whole), [[], [1, 2]], [1, {}, ["a"], undefined]],
  ["record", record(whole), [{}, { a: 1 }], [[], null, { a: "1" }]],
  ["object", point, [{ x: 1 }, { x: 1, y: 2 }], [{}, { y: 2 }, { x: 1, y: "2" }, [], null]],
  ["exactly", only, [{}, { size: "m" }], [{ seize: "m" }, { size: 1 }, 1, null]],
];

for (const [name, reader, taken, refused] of KINDS) {
  Deno.test(`${name} takes what it should, and refuses all else`, () => {
    for (const value of taken) {
      assertEquals(read(reader, value), { value, misfits: [] });
      assertEquals(fits(reader, value), true);
    }
    for (const value of refused) assertEquals(fits(reader, value), false, show(value));
  });
}

Deno.test("a reader leaves out fields that are missing, inherited or not its own", () => {
  assertEquals(read(point, { x: 1, y: undefined, z: 3 }).value, { x: 1 });
  assertEquals(fits(point, Object.create({ x: 1 })), false);
  assertEquals(read(only, { size: "m", other: undefined }), { value: { size: "m" }, misfits: [] });
});

Deno.test("parsed() reads what its function makes, and what it does not make is a misfit", () => {
  assertEquals(read(number, "12"), { value: 12, misfits: [] });
  const refusing = parsed("a name", (): string => {
    throw new IpvlanError("interrupted");
  });
  const misfit = { path: [], value: "x", wanted: "a name" };
  assertEquals(read(refusing, "x"), { value: undefined as unknown as string, misfits: [misfit] });
});

Deno.test("all misfits of a value are noted, each with its place and what should be there", () => {
  const reader = object({ points: list(point), names: record(text), own: optional(only) });
  const value = { points: [{ x: 1 }, { x: "1" }], names: { a: 1 }, own: { siz: "m", zzz: 1 } };
  const { misfits } = read(reader, value);
  assertEquals(misfits.map(({ path, value, wanted }) => [placeOf(path), show(value), wanted]), [
    ["points[1].x", '"1"', "a whole number"],
    ["names.a", "1", "a text"],
    ["own.siz", '"m"', 'left out (did you mean "size"?)'],
    ["own.zzz", "1", "left out, as there is no such field"],
  ]);
  assertEquals(read(reader, undefined).misfits, [
    { path: [], value: undefined, wanted: "an object" },
  ]);
});

Deno.test("a value is shown as JSON of at most 80 characters", () => {
  assertEquals([show(undefined), show(null), placeOf([])], ["missing", "null", ""]);
  assertEquals(show("x".repeat(78)), `"${"x".repeat(78)}"`);
  assertEquals(show("x".repeat(79)), `"${"x".repeat(78)}…`);
});
