import { assertEquals } from "@std/assert";
import {
  attribute,
  be16,
  type Bytes,
  HEADER_LENGTH,
  message,
  nested,
  Reader,
  u16,
  u32,
} from "../../../lib/netlink/message.ts";
import { nameOf, numberOf } from "../../../lib/netlink/names.ts";

const reader = (bytes: Uint8Array<ArrayBuffer>) =>
  new Reader(new DataView(bytes.buffer, bytes.byteOffset)).part(HEADER_LENGTH);

Deno.test("a message is written as the kernel's headers say, byte by byte", () => {
  const body: Bytes = [
    u32(7),
    attribute(3, new TextEncoder().encode("d0")),
    undefined,
    false,
    nested(18, attribute(1, 9), nested(2)),
  ];
  assertEquals(Array.from(message(16, 5, 0x01020304, body)), [
    ...[44, 0, 0, 0, 16, 0, 5, 0, 4, 3, 2, 1, 0, 0, 0, 0],
    ...[7, 0, 0, 0],
    ...[6, 0, 3, 0, 0x64, 0x30, 0, 0],
    ...[16, 0, 18, 0x80, 5, 0, 1, 0, 9, 0, 0, 0, 4, 0, 2, 0x80],
  ]);
});

Deno.test("what is written is read back", () => {
  const long = "x".repeat(1000);
  const body = [
    [1, 2, u16(0xfffe), u32(0xfffffffe)],
    [attribute(1, u32(0xfffffffe)), attribute(2, u16(0xfffe)), attribute(3, be16(0x8100))],
    attribute(4, new TextEncoder().encode(`${long}\0rest`)),
    nested(5, [1, 2, 3].map((each) => attribute(6, each))),
  ];
  const fixed = reader(message(1, 0, 1, body));
  assertEquals([fixed.u8(0), fixed.u8(1), fixed.u16(2), fixed.u32(4)], [1, 2, 0xfffe, 0xfffffffe]);
  const read = fixed.part(8);
  assertEquals([read.get(1)?.u32(), read.get(1)?.i32()], [0xfffffffe, -2]);
  assertEquals([read.get(2)?.u16(), read.get(3)?.be16()], [0xfffe, 0x8100]);
  assertEquals(read.get(4)?.text(), long);
  assertEquals([...read.get(5)!.all()].map(([type, value]) => [type, value.u8()]), [
    ...[1, 2, 3].map((each) => [6, each]),
  ]);
  assertEquals(read.get(7), undefined);
  assertEquals(fixed.length - read.length, 8);
});

Deno.test("a damaged message is read as far as it is whole", () => {
  const bytes = message(1, 0, 1, [attribute(1, u32(1)), attribute(2, u32(2))]);
  for (
    const [at, value] of [[HEADER_LENGTH + 8, 255], [HEADER_LENGTH + 8, 3], [HEADER_LENGTH, 0]]
  ) {
    const damaged = bytes.slice().with(at!, value!) as Uint8Array<ArrayBuffer>;
    const found = [...reader(damaged).all()].map(([type]) => type);
    assertEquals(found, at === HEADER_LENGTH ? [] : [1]);
  }
});

Deno.test("numbers have the names that ip prints, and are themselves without one", () => {
  assertEquals(
    [
      nameOf("rt_protos", 3),
      nameOf("rt_tables", 254),
      nameOf("rt_scopes", 253),
      nameOf("group", 0),
    ],
    ["boot", "main", "link", "default"],
  );
  assertEquals([nameOf("rt_protos", 117), nameOf("rt_tables", 4_000_000_000)], [
    "117",
    "4000000000",
  ]);
  assertEquals(
    [numberOf("rt_tables", "local"), numberOf("rt_tables", 100), numberOf("rt_tables", "100")],
    [255, 100, 100],
  );
  assertEquals(numberOf("rt_tables", "nosuchtable"), undefined);
});
