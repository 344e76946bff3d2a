import { assertEquals } from "@std/assert";
import { reserveMore } from "../../../../lib/driver/endpoint/reserve.ts";
import { network } from "../../../kit/values.ts";

Deno.test("an endpoint's addresses are reserved for its name, but none of a family that has some", () => {
  const db = { name: "prod/db-0", address: "10.0.0.2" };
  const reserved = (present: typeof db[] | undefined, ...addresses: string[]) =>
    reserveMore(network("n", { reservations: present }), db.name, addresses).reservations;
  assertEquals(reserved(undefined), undefined);
  assertEquals(reserved(undefined, "10.0.0.2"), [db]);
  // The pod has asked for another address this time, and keeps that of its name.
  assertEquals(reserved([db], "10.0.0.3"), [db]);
  const six = { ...db, address: "fd00::2" };
  assertEquals(reserved([db], "10.0.0.2", "fd00::2"), [db, six]);
  const other = { name: "test/db-0", address: "10.0.0.9" };
  assertEquals(reserved([other], "10.0.0.2", "10.0.0.4"), [
    other,
    db,
    { ...db, address: "10.0.0.4" },
  ]);
});
