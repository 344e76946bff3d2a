// What the values of keys in etcd must be. Another host, or another program, may have written them.
import { assertEquals } from "@std/assert";
import {
  addressIn,
  type KeyValue,
  readBlock,
  readClaim,
  readHost,
  readNetwork,
  readPool,
  readWish,
} from "../../../lib/claims/values.ts";
import { assertThrowsError } from "../../kit/errors.ts";

/** For each kind, a right value, and for each of its fields what is right and wrong besides. */
const KINDS: [(pair: KeyValue) => unknown, object, Record<string, [unknown[], unknown[]]>][] = [
  [readHost, { name: "a", number: 1, token: "t" }, {
    name: [[""], [1, null, undefined]],
    number: [[0], [1.5, "1", undefined]],
    token: [[], [1, undefined]],
    agent: [[true, false, undefined], ["yes", null]],
  }],
  [readPool, { reserved: {} }, {
    reserved: [[{ "10.0.0.1": "gateway" }], [{ "10.0.0.1": 1 }, [], null, "x", undefined]],
  }],
  [readBlock, { host: "a", token: "t", kept: "ff" }, {
    host: [[], [1, undefined]],
    token: [[], [1, undefined]],
    kept: [["0", "0123456789abcdef"], ["", "-1", "FF", "0123456789abcdef0", 7, undefined]],
  }],
  [readClaim, { host: "a", sandbox: "c", since: "", token: "t" }, {
    host: [[], [1, undefined]],
    sandbox: [[], [1, undefined]],
    network: [["n", undefined], [1, null]],
    names: [[[], ["x"], undefined], ["x", [1], null]],
    since: [[], [1, undefined]],
    token: [[], [1, undefined]],
  }],
  [readNetwork, { settings: {}, hosts: [] }, {
    settings: [[{ mode: "l2" }], [[], null, "x", undefined]],
    hosts: [[["a"]], ["a", [1], undefined]],
  }],
  [readWish, {}, {
    address: [["0a000001", "f".repeat(32), undefined], ["0a0001", "zz000000", "f".repeat(33), 1]],
  }],
];

Deno.test("a value with a field that is wrong or missing is damaged, and is named by its key", () => {
  for (const [read, right, fields] of KINDS) {
    const reads = (value: unknown) =>
      read({ key: "/k", value: JSON.stringify(value), modRevision: 1 });
    reads(right);
    for (const [name, [good, bad]] of Object.entries(fields)) {
      for (const value of good) reads({ ...right, [name]: value });
      for (const value of bad) {
        const what = `${read.name} ${name} ${JSON.stringify(value)}`;
        assertThrowsError(() => reads({ ...right, [name]: value }), "damaged-key", "/k", what);
      }
    }
    for (const value of [7, null, [], "x"]) assertThrowsError(() => reads(value), "damaged-key");
    const broken = { key: "/k", value: "{ no JSON", modRevision: 1 };
    assertThrowsError(() => read(broken), "damaged-key");
  }
});

Deno.test("a host of an earlier version is read, and the address in a key has the digits of its family", () => {
  const value = '{"name":"a","epoch":3,"nonce":"t"}';
  const { number, token } = readHost({ key: "/k", value, modRevision: 1 });
  assertEquals([number, token], [3, "t"]);
  const at = (rest: string) => addressIn({ key: `/ipvlan/claims/${rest}` });
  assertEquals(at("10.0.0.0-24/0a000001"), "0a000001");
  assertEquals(at(`fd00::-64/${"f".repeat(32)}`), "f".repeat(32));
  for (const wrong of ["10.0.0.0-24/0a0001", "fd00::-64/0a000001", "10.0.0.0-24/zz000001"]) {
    assertThrowsError(() => at(wrong), "damaged-key");
  }
});
