import { isIP } from "node:net";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  addressFamily,
  addressWord,
  fromNetnsFolder,
  indexNumber,
  linkIndex,
  linkName,
  netnsName,
  netnsOf,
  netnsTarget,
  oneOf,
  pathToEnter,
  prefixWord,
  wholeNumber,
  withNetnsFolder,
  word,
} from "../../../lib/iproute2/words.ts";
import { assertThrowsError } from "../../kit/errors.ts";

function refuses(check: (value: string) => string, values: string[]) {
  for (const value of values) {
    const took = `took ${value.slice(0, 60)}`;
    const error = assertThrowsError(() => check(value), "invalid-word", undefined, took);
    assertEquals(error.value, value);
    assertEquals(error.message.includes("\n"), false, "a message is one line");
  }
}

const UNWRITABLE = [
  "",
  "#",
  "a#b",
  "\\",
  "a\\",
  "a\nb",
  "\n",
  "a\rb",
  "a\tb",
  "\0",
  "a\0b",
  "\x7f",
];

Deno.test("word() quotes what has white space or a quote, and leaves the rest alone", () => {
  const table = [
    ["plain", "plain"],
    ["-dash", "-dash"],
    ["--", "--"],
    ["../etc", "../etc"],
    ["a;b|c&d$e`f", "a;b|c&d$e`f"],
    ["two words", '"two words"'],
    [" ", '" "'],
    ["it's", `"it's"`],
    ['say "hi"', `'say "hi"'`],
    ["Überbrücke – 桥", '"Überbrücke – 桥"'],
    ["no\u00a0break", '"no\u00a0break"'],
  ] as const;
  for (const [value, written] of table) assertEquals(word(value, "alias"), written);
});

Deno.test("word() refuses what a batch line cannot say", () => {
  refuses((value) => word(value, "alias"), [...UNWRITABLE, `both ' and "`, "\ud800", "a\udc00b"]);
});

Deno.test("linkName() takes what the kernel takes", () => {
  const names = ["a", "eth0", "eth0.20", "br-lan", "fifteen-bytes-1", "_", "up", "help", "é", "桥"];
  for (const name of names) assertEquals(linkName(name), name);
  assertEquals(linkName("it's"), `"it's"`);
});

Deno.test("linkName() refuses what the kernel or ip would take for something else", () => {
  refuses((value) => linkName(value), [
    ...UNWRITABLE,
    ...[".", "..", "../x", "a/b", "a:1", "eth%d", "a b", " a", "-a", "--", "-"],
    ...["sixteen-bytes-16", "桥桥桥桥桥桥", "éééééééé"],
    // à is the bytes c3 a0, and the kernel's isspace() says yes to a0.
    ...["à", "no\u00a0break", "\ud800"],
  ]);
});

Deno.test("linkName() says what the name is for", () => {
  const error = assertThrowsError(() => linkName("a b", "parent"), "invalid-word", '"a b"');
  assertEquals(error.what, "parent");
});

Deno.test("pathToEnter() takes names, and the paths of files from the folder of names", () => {
  assertEquals(pathToEnter("red"), "/run/netns/red");
  for (const path of ["/proc/7/ns/net", "/proc/7/fd/12", "/run/netns/cni-1"]) {
    assertEquals(pathToEnter(`../..${path}`), path);
  }
  refuses(pathToEnter, ["7", "../..", "../x", "x../../proc/7/ns/net", "/proc/7/ns/net"]);
  refuses((value) => pathToEnter(`../..${value}`), [
    ...["/", "/proc/../etc", "/proc/./7", "/proc//7", "/x;y", "/x y", "/x\n", "/x'"],
  ]);
});

Deno.test("the path of a namespace's file leads to its name, or to ip's word for it", () => {
  const table = [
    ["/run/netns/red", "red"],
    ["/var/run/netns/red", "red"],
    ["/run/netns/a/b", "../../run/netns/a/b"],
    ["/proc/7/ns/net", "../../proc/7/ns/net"],
  ] as const;
  for (const [path, name] of table) {
    assertEquals(netnsOf(path), name);
    assertEquals(fromNetnsFolder(path), `../..${path}`);
  }
  assertEquals(withNetnsFolder(undefined, "ip link"), "ip link");
  assertEquals(withNetnsFolder("red", "ip -n red"), "ip -n red");
  assertEquals(
    withNetnsFolder("../../proc/7/ns/net", "ip -n …"),
    "[ -d /run/netns ] || mkdir -p -m 755 /run/netns 2> /dev/null; ip -n …",
  );
});

Deno.test("the index of a link is a whole number from 1, and as a name longer than any", () => {
  assertEquals([indexNumber(1), indexNumber(0x7fff_ffff)], ["1", "2147483647"]);
  assertEquals(linkIndex(5), "if000000000000000000000005");
  for (const index of [0, -1, 1.5, 0x8000_0000]) {
    assertThrowsError(() => indexNumber(index), "invalid-word", String(index));
  }
});

Deno.test("netnsTarget() takes names and absolute paths", () => {
  const long = "/a".repeat(1999);
  for (const value of ["red", "/proc/7/ns/net", "/run/netns/cni-1", `${long}/b`]) {
    assertEquals(netnsTarget(value), value);
  }
  refuses(netnsTarget, [
    "7",
    "../../proc/7/ns/net",
    "/",
    "/../a",
    "/./a",
    "/a/../b",
    "/a b",
    "/a'b",
    "/a\n",
    `${long}/bc`,
  ]);
});

Deno.test("netnsName() takes plain file names that are no process id", () => {
  for (const name of ["a", "red", "_x", "a.b-c_d", "1a", "0x", "0xg", "x".repeat(255)]) {
    assertEquals(netnsName(name), name);
  }
  refuses(netnsName, [
    ...UNWRITABLE,
    ...[
      ".",
      "..",
      "../x",
      "a/b",
      "-a",
      "--",
      "1",
      "0123",
      "0x1",
      "0Xff",
      "a b",
      "'a'",
      '"a"',
      "é",
      "a:b",
    ],
    "x".repeat(256),
  ]);
});

Deno.test("prefixWord() takes addresses and prefixes of both families", () => {
  const values = ["10.0.0.1", "10.0.0.1/0", "10.0.0.1/8", "10.0.0.1/32", "::", "::/0", "::1/128"];
  for (const value of [...values, "2001:db8::1/64", "::ffff:1.2.3.4/96"]) {
    assertEquals(prefixWord(value, "address"), value);
  }
});

Deno.test("prefixWord() refuses what ip would end its process over, or read as octal", () => {
  refuses((value) => prefixWord(value, "address"), [
    ...UNWRITABLE,
    ...["1.2.3.4/33", "::1/129", "1.2.3.4/", "/24", "1.2.3.4/24/1", "1.2.3.4/-1", "1.2.3.4/ 8"],
    ...["1.2.3.4/08", "1.2.3.4/024", "1.2.3.4/255.0.0.0", "1.2.3.4/8a"],
    ...["1.2.3", "1.2.3.256", "01.2.3.4", "2001:db8", "::g", "fe80::1%lo", "fe80::1%lo/64"],
    ...["default", "any", "eth0", "1.2.3.4 dev lo", "10.0.0.1/8\n"],
  ]);
});

Deno.test("addressWord() refuses a prefix, and the other family where one is asked for", () => {
  assertEquals(addressWord("10.0.0.1", "next hop"), "10.0.0.1");
  assertEquals(addressWord("10.0.0.1", "next hop", 4), "10.0.0.1");
  assertEquals(addressWord("fe80::1", "next hop", 6), "fe80::1");
  refuses((value) => addressWord(value, "next hop"), [
    "10.0.0.1/24",
    "::1/64",
    "",
    "x",
    "fe80::1%lo",
  ]);
  refuses((value) => addressWord(value, "next hop", 4), ["fe80::1"]);
  refuses((value) => addressWord(value, "next hop", 6), ["10.0.0.1"]);
});

Deno.test("addressFamily() tells the families apart", () => {
  const table = {
    "1.2.3.4": 4,
    "1.2.3.4/8": 4,
    "::": 6,
    "::/0": 6,
    default: undefined,
    "": undefined,
  };
  for (const [value, family] of Object.entries(table)) assertEquals(addressFamily(value), family);
});

Deno.test("addressFamily() takes an address where Node's isIP() does, without a zone", () => {
  const pieces = [
    ..."0:1.:.:.f",
    "::",
    "ffff",
    "10000",
    "g",
    "00",
    "249",
    "256",
    "[",
    "]",
    "@",
    " ",
    "\n",
  ];
  const piece = fc.constantFrom(...pieces);
  const number = fc.integer({ min: 0, max: 260 });
  const text = fc.oneof(
    fc.array(piece, { maxLength: 18 }).map((some) => some.join("")),
    fc.array(number, { minLength: 3, maxLength: 5 }).map((numbers) => numbers.join(".")),
    fc.ipV4(),
    fc.ipV6(),
  );
  fc.assert(
    fc.property(text, (value) => {
      assertEquals(addressFamily(value) ?? 0, isIP(value));
    }),
    { seed: 1, numRuns: 5000 },
  );
});

Deno.test("wholeNumber() keeps to whole numbers in the range", () => {
  for (const value of [1, 20, 4094]) {
    assertEquals(wholeNumber(value, "VLAN id", 1, 4094), `${value}`);
  }
  for (const value of [0, -1, 4095, 1.5, NaN, Infinity, "20" as unknown as number]) {
    assertThrowsError(() => wholeNumber(value, "VLAN id", 1, 4094), "invalid-word", "1 to 4094");
  }
});

Deno.test("oneOf() keeps to the choices and names them", () => {
  assertEquals(oneOf("l2", "mode", ["l2", "l3"]), "l2");
  for (const value of ["", "L2", "l2 ", "l2\nlink del dev eth0"]) {
    assertThrowsError(() => oneOf(value, "mode", ["l2", "l3"]), "invalid-word", "one of l2, l3");
  }
});

Deno.test("an address or prefix that is refused is told which family it should be of", () => {
  const table = [
    [() => addressWord("x", "peer"), "an IPv4 or IPv6 address"],
    [() => addressWord("2001:db8::1", "peer", 4), "an IPv4 address"],
    [() => prefixWord("x", "route"), "an IPv4 or IPv6 address, or a prefix"],
    [() => prefixWord("10.0.0.0/8", "route", 6), "an IPv6 address, or a prefix"],
  ] as const;
  for (const [check, rule] of table) {
    assertEquals(assertThrowsError(check, "invalid-word").rule, rule);
  }
});
