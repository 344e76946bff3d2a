import { assertEquals } from "@std/assert";
import { brokenReservations, differences, doubleHolds, holdsOf } from "../../hosts/checker.ts";
import type { Event } from "../../hosts/history.ts";

let number = 0;

function event(time: number, process: string, call: Event["call"], kind: Event["kind"]): Event {
  return { time, process, call, kind, number: number++, address: "10.0.0.1" };
}

Deno.test("a hold lasts from the end of the take to the beginning of the release", () => {
  const history = [
    event(1, "a.0", "take", "begin"),
    event(2, "a.0", "take", "done"),
    event(5, "a.0", "release", "begin"),
    event(6, "b.0", "take", "done"),
    event(7, "a.0", "release", "done"),
  ];
  assertEquals(holdsOf(history).map(({ process, from, to }) => [process, from, to]), [
    ["a.0", 2, 5],
    ["b.0", 6, Infinity],
  ]);
  assertEquals(doubleHolds(history), []);
});

Deno.test("two holders at one time are found, also of one host, and within a longer hold", () => {
  for (const other of ["b.0", "a.1"]) {
    const history = [
      event(2, "a.0", "take", "done"),
      event(3, other, "take", "done"),
      event(4, other, "release", "begin"),
      event(5, "b.9", "take", "done"),
    ];
    assertEquals(doubleHolds(history), [
      `10.0.0.1 is held by a.0 and, at 3.000, ${other}`,
      "10.0.0.1 is held by a.0 and, at 5.000, b.9",
    ]);
  }
});

Deno.test("what a killed process finds on record goes on, and a failed take is no hold", () => {
  const history = [
    event(2, "a.0", "take", "done"),
    event(3, "a.0", "find", "done"),
    event(4, "b.0", "take", "failed"),
    event(5, "a.0", "release", "begin"),
    event(6, "a.0", "find", "done"),
    event(7, "b.0", "take", "done"),
  ];
  assertEquals(doubleHolds(history), ["10.0.0.1 is held by a.0 and, at 7.000, b.0"]);
});

Deno.test("records and claims that differ", () => {
  const [a, b] = [{ id: "1", name: "a" }, { id: "2", name: "b" }];
  const claim = (address: string, host: string) => ({ address, host });
  assertEquals(differences([{ ...a, held: ["x"] }, { ...b, held: [] }], [claim("x", "1")]), []);
  assertEquals(differences([{ ...a, held: ["x"] }, { ...b, held: ["x"] }], [claim("x", "1")]), [
    "x is on record of a and b",
    "x of b is claimed by 1",
  ]);
  assertEquals(differences([{ ...a, held: ["x"] }], [claim("y", "1")]), [
    "x of a has no claim",
    "The claim of y by 1 has no record",
  ]);
});

Deno.test("what is reserved for a name is for nobody else, until it is let go or an older etcd is put back", () => {
  const take = (time: number, process: string, sandbox: string): Event[] => [
    { ...event(time, process, "take", "begin"), address: undefined, sandbox, number: time },
    { ...event(time + 1, process, "take", "done"), sandbox, number: time },
  ];
  const reserved = [
    ...take(1, "a.0", "db"),
    { ...event(3, "a.0", "reserve", "done"), sandbox: "db" },
  ];
  const others = [...take(5, "b.0", "web"), ...take(7, "c.0", "db")];
  assertEquals(brokenReservations([...reserved, ...others]), [
    "10.0.0.1, reserved for db, is taken for web at 6.000",
  ]);
  const ends: Event[] = [
    event(4, "b.0", "unreserve", "begin"),
    { ...event(4, "b.0", "find", "done"), sandbox: "web" },
    { ...event(4, "faults", "fault", "begin"), fault: "put back an old snapshot of etcd: all" },
  ];
  for (const end of ends) {
    const { sandbox = "db" } = end;
    assertEquals(brokenReservations([...reserved, { ...end, sandbox }, ...others]), []);
  }
  // Another process of the host that freed it, and a call that began before.
  assertEquals(brokenReservations([...reserved, ...take(5, "a.1", "web")]), []);
  const [begin, done] = take(2, "b.0", "web");
  assertEquals(brokenReservations([reserved[0]!, reserved[1]!, begin!, reserved[2]!, done!]), []);
});
