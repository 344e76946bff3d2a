/*
 * What this project relies on in the @std packages. With the stand-ins of offline/ and, in
 * `deno task test:std`, with the real ones: the types have to fit both, too.
 */
import {
  assert,
  assertArrayIncludes,
  assertEquals,
  AssertionError,
  assertIsError,
  assertMatch,
  assertNotEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import { parse, stringify, YamlSyntaxError } from "@std/yaml";

Deno.test("parseArgs gives each option the type that it was declared with", () => {
  const args = parseArgs(["--no-a", "--b=1", "--c=--x=y", "--c=\n"], {
    boolean: ["no-a", "d"],
    string: ["b", "c", "e"],
    collect: ["c"],
  });
  const given: { on: boolean; off: boolean; one?: string; many: string[]; none?: string } = {
    ...{ on: args["no-a"], off: args.d, one: args.b, many: args.c, none: args.e },
  };
  assertEquals(given, { on: true, off: false, one: "1", many: ["--x=y", "\n"], none: undefined });
  assertEquals(args._, []);
});

class Point {
  #x: number;
  constructor(x: number) {
    this.#x = x;
  }
  get x(): number {
    return this.#x;
  }
}

const EQUAL: [unknown, unknown][] = [
  [0, -0],
  [NaN, NaN],
  [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
  [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  [new Set([1, { a: 1 }]), new Set([{ a: 1 }, 1])],
  [new Map([["a", { b: 1 }]]), new Map([["a", { b: 1 }]])],
  [new Date(1), new Date(1)],
  [/a/g, /a/g],
  [new Point(1), new Point(1)],
  [new Uint8Array([1, 2]), new Uint8Array([0, 1, 2]).subarray(1)],
];
const UNEQUAL: [unknown, unknown][] = [
  [1, "1"],
  [{ a: undefined }, {}],
  [[1, , 3], [1, undefined, 3]],
  [[1, 2], { 0: 1, 1: 2 }],
  [new Point(1), new Point(2)],
  [new Point(1), { x: 1 }],
  [new Set([1]), new Set([2])],
  [new Map([["a", 1]]), new Map([["a", 2]])],
  [new Date(1), new Date(2)],
  [/a/g, /a/],
  [new Uint8Array([1]), new Int8Array([1])],
];

Deno.test("values are equal if their properties are equal, also those of getters", () => {
  for (const [a, b] of EQUAL) {
    assertEquals(a, b);
    assertThrows(() => assertNotEquals(a, b), AssertionError);
  }
  for (const [a, b] of UNEQUAL) {
    assertNotEquals(a, b);
    assertThrows(() => assertEquals(a, b), AssertionError, "Values are not equal");
  }
});

Deno.test("a value that holds itself can be compared", () => {
  const loop = () => {
    const value: Record<string, unknown> = {};
    value.self = value;
    return value;
  };
  assertEquals(loop(), loop());
});

Deno.test("an object matches a part of itself", () => {
  assertObjectMatch({ a: { b: 1, c: 2 }, d: [{ e: 1, f: 2 }, 3] }, { a: { b: 1 }, d: [{ e: 1 }] });
  for (const expected of [{ a: { b: 2 } }, { z: undefined }, { d: [1, 2, 3] }, { a: [] }]) {
    assertThrows(() => assertObjectMatch({ a: { b: 1 }, d: [1, 2] }, expected), AssertionError);
  }
});

Deno.test("an error that a test expects has its class and its text", async () => {
  const thrown: TypeError = assertThrows(
    () => {
      throw new TypeError("not so");
    },
    TypeError,
    "so",
  );
  assertEquals(thrown.message, "not so");
  const rejected: RangeError = await assertRejects(
    () => Promise.reject(new RangeError("far")),
    RangeError,
  );
  assertIsError(rejected, Error, /^far$/);
  const any: unknown = assertThrows(() => {
    throw "a text";
  });
  assertStrictEquals(any, "a text");
});

Deno.test("an assertion that does not hold throws an AssertionError", async () => {
  const fails: (() => unknown)[] = [
    () => assertThrows(() => 1),
    () => assertThrows(() => 1, Error, "x", "y"),
    () => assertThrows(() => assert(false), TypeError),
    () => assertThrows(() => assert(false, "a"), AssertionError, "b"),
    () => assertArrayIncludes([{ a: 1 }], [{ a: 2 }]),
    () => assertStrictEquals<unknown>({}, {}),
    () => assertMatch("a", /b/),
  ];
  for (const fail of fails) assertThrows(fail, AssertionError);
  const rejecting: (() => Promise<unknown>)[] = [
    () => assertRejects(() => Promise.resolve()),
    () => assertRejects(() => Promise.reject(new Error()), TypeError),
    () => assertRejects(() => Promise.reject("a text"), Error),
    () =>
      assertRejects(() => {
        throw new Error("at once");
      }),
  ];
  for (const fail of rejecting) await assertRejects(fail, AssertionError);
});

Deno.test("a value written as YAML is read back", () => {
  const site = {
    name: "web",
    networks: { n: { subnets: ["10.0.0.0/24", "fd00::/64"], mtu: 1400, internal: false } },
    sandboxes: { c: { labels: { a: "yes", b: "12:30", c: "", d: "1", e: "a\nb\n" }, command: [] } },
  };
  assertEquals(parse(stringify(site)), site);
  assertEquals(stringify({ a: ["x", { b: 1 }], c: "on" }), "a:\n  - x\n  - b: 1\nc: 'on'\n");
  assertEquals(stringify("word ".repeat(30).trim(), { lineWidth: -1 }).includes("\n  "), false);
  const twice = { a: 1 };
  assertEquals(stringify([twice, twice], { useAnchors: false }), "- a: 1\n- a: 1\n");
  assertThrows(() => stringify({ a: undefined }), TypeError);
});

Deno.test("invalid YAML is refused with its line and column", () => {
  const error = assertThrows(() => parse("a: 1\nb: [1"), YamlSyntaxError);
  assertEquals(error.line >= 2, true);
  assertThrows(() => parse("a: 1\na: 2"), SyntaxError);
  assertThrows(() => parse("--- 1\n--- 2"), SyntaxError);
  assertEquals(parse(""), null);
  assertEquals(parse("12:30"), "12:30");
});
