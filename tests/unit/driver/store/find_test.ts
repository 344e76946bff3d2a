import { assertEquals } from "@std/assert";
import { findNetwork } from "../../../../lib/driver/store/find.ts";
import { Store } from "../../../../lib/driver/store/store.ts";
import { network } from "../../../kit/values.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

/** The id that begins so. */
const id = (digits: string) => digits.padEnd(64, "0");

Deno.test("a network is found by its name, its id, or four digits of the id that no other has", () => {
  const folder = Deno.makeTempDirSync();
  try {
    using store = Store.open(folder);
    const ids = { one: id("1e2f30"), two: id("1e2f31"), three: id("abcd"), abcd: id("77") };
    for (const [name, id] of Object.entries(ids)) store.putNetwork(network(name, { id }), "ready");
    const find = (text: string) => findNetwork(store, text).name;
    assertEquals(find("one"), "one");
    assertEquals(find(ids.two), "two");
    assertEquals(find("1e2f31"), "two");
    assertEquals(find("7700"), "abcd");
    // A name counts before the id of another network.
    assertEquals(find("abcd"), "abcd");
    assertEquals(find("abcd0"), "three");
    for (const text of ["1e", "1e2", "abc", "ABCD0", "1e2f32", `${ids.one}0`, ""]) {
      assertThrowsError(() => find(text), "network-not-found", text);
    }
    assertThrowsError(
      () => find("1e2f"),
      "ambiguous-id",
      'The id "1e2f" fits several networks ("one", "two"): give more digits, or a name',
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
