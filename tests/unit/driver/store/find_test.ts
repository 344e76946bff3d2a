import { assertEquals } from "@std/assert";
import { findNetwork, findSandbox } from "../../../../lib/driver/store/find.ts";
import { Store } from "../../../../lib/driver/store/store.ts";
import { network, sandboxRecord } from "../../../kit/values.ts";
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

Deno.test("a sandbox is found by its name or its whole id, unless it is half done", () => {
  const folder = Deno.makeTempDirSync();
  try {
    using store = Store.open(folder);
    const sandbox = sandboxRecord("c1", { id: id("1e2f") });
    store.putSandbox(sandbox, "ready");
    store.putSandbox(sandboxRecord("c2", { id: id("77") }), "removing");
    assertEquals([findSandbox(store, "c1"), findSandbox(store, id("1e2f"))], [sandbox, sandbox]);
    for (const text of ["1e2f", id("abc"), ""]) {
      assertThrowsError(() => findSandbox(store, text), "sandbox-not-found", text);
    }
    assertThrowsError(() => findSandbox(store, "c2"), "half-done", 'sandbox "c2"');
    // For the name of an engine's sandbox, no similar one is suggested.
    for (const [name, known] of [["c", ["c1", "c2"]], ["docker:c1", []]] as const) {
      const error = assertThrowsError(() => findSandbox(store, name), "sandbox-not-found");
      assertEquals(error.known, known);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
