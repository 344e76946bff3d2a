import { assertEquals } from "@std/assert";
import { newUse } from "../../../../lib/claims/local.ts";
import type { SharedClaim } from "../../../../lib/claims/types.ts";
import { KnownNames } from "../../../../lib/driver/addresses/shared/known_names.ts";
import { Store } from "../../../../lib/driver/store/store.ts";
import { network } from "../../../kit/values.ts";
import { temporaryFolder } from "../../../kit/worlds.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

/** A claim of some host. */
function claim(address: string, ...names: string[]): SharedClaim {
  return { address, names, network: "lan", host: "other", sandbox: names[0] ?? "", since: "" };
}

/** A pool that this host shares. */
function putPool(store: Store, prefix: string, subnet: string): void {
  const [number, token, value] = [1, "1", "{}"];
  const host = { prefix, id: "1", number, token, value, asked: undefined, refused: undefined };
  store.shared.putHost({ ...host, agent: false, lease: "", heard: 0 });
  const access = { endpoints: ["http://10.9.9.9:2379"], prefix };
  const pool = { id: `${prefix} ${subnet}`, prefix, access, subnet, reserved: {} };
  store.shared.putPool({ ...pool, revision: 1, next: undefined, leaving: false });
}

Deno.test("the file has the names of the pools that this host shares, and nothing that is none", async () => {
  await using folder = await temporaryFolder();
  using store = Store.copy("/nonexistent");
  putPool(store, "/x", "10.0.0.0/24");
  putPool(store, "/y", "10.0.0.0/24");
  const path = `${folder.path}/hosts`;
  const names = new KnownNames(store, path);
  const lines = () => {
    names.writeFile();
    return Deno.readTextFileSync(path).trim().split("\n").slice(1);
  };
  assertEquals(lines(), []);
  const listed = [claim("10.0.0.3", "db", "a b", "localhost"), claim("10.1.0.2", "far")];
  await names.change("/x", { kind: "listed", claims: [...listed, claim("10.0.0.2", "web")] });
  await names.change("/y", { kind: "claimed", claim: claim("10.0.0.2", "else", "else.lan") });
  assertEquals(lines(), ["10.0.0.2 web", "10.0.0.3 db", "10.0.0.2 else"]);
  // Those of this host itself are there, too.
  const own = { ...claim("10.0.0.4", "own"), host: "1" };
  await names.change("/y", { kind: "claimed", claim: own });
  assertEquals(lines().at(-1), "10.0.0.4 own");
  await names.change("/y", { kind: "freed", address: "10.0.0.4" });
  // A claim without names any more, one that is free, and an etcd that is out of reach.
  await names.change("/x", { kind: "claimed", claim: claim("10.0.0.3") });
  await names.change("/x", { kind: "freed", address: "10.0.0.9" });
  await names.change("/x", { kind: "broken", reason: "" });
  assertEquals(lines(), ["10.0.0.2 web", "10.0.0.2 else"]);
  await names.change("/x", { kind: "freed", address: "10.0.0.2" });
  names.forget("/y");
  assertEquals(lines(), []);
  // Whoever reads it never finds half of it, and no other file stays.
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["hosts"]);
  // A DNS server has an account of its own.
  assertEquals(Deno.statSync(path).mode! & 0o777, 0o644);
});

Deno.test("a longer name is one of a network that this host has, and its address is of that network", async () => {
  await using folder = await temporaryFolder();
  using store = Store.copy("/nonexistent");
  putPool(store, "/x", "10.0.0.0/24");
  putPool(store, "/x", "10.1.0.0/24");
  const access = { endpoints: ["http://10.9.9.9:2379"], prefix: "/x" };
  const subnets = [{ subnet: "10.0.0.0/24", auxAddresses: {} }];
  store.putNetwork(network("lan", { ipam: { driver: "etcd", access }, subnets }), "ready");
  const path = `${folder.path}/hosts`;
  const names = new KnownNames(store, path);
  const listed = [
    claim("10.0.0.2", "web", "web.lan", "github.com", "LOCALHOST."),
    // On the wrong network, and on one that only another host has.
    claim("10.1.0.2", "db", "db.lan"),
    { ...claim("10.0.0.3", "github", "github.com"), network: "com" },
    { ...claim("10.0.0.4", "api.com"), network: "com" },
    { ...claim("10.1.0.5", "c1", "c1.docker"), network: "docker" },
  ];
  const lines = async () => {
    await names.change("/x", { kind: "listed", claims: listed });
    names.writeFile();
    return Deno.readTextFileSync(path).trim().split("\n").slice(1);
  };
  assertEquals(await lines(), ["10.0.0.2 web web.lan", "10.0.0.3 github", "10.1.0.5 c1"]);
  // A network of an engine is known by the claims that this host has there.
  store.shared.putAddress({
    ...newUse("/x 10.1.0.0/24", "0a010009", {
      holder: { sandbox: "docker:c2", network: "docker" },
      since: "",
    }),
  });
  assertEquals((await lines()).at(-1), "10.1.0.5 c1 c1.docker");
});

Deno.test("a file that cannot be written is found out at once", async () => {
  await using folder = await temporaryFolder();
  using store = Store.copy("/nonexistent");
  assertThrowsError(
    () => new KnownNames(store, `${folder.path}/none/hosts`),
    "invalid-option",
    `${folder.path}/none`,
  );
  assertThrowsError(
    () => new KnownNames(store, "/proc"),
    "invalid-option",
    "/proc",
  );
});

Deno.test("links that another user has put into the folder are not followed", async () => {
  await using folder = await temporaryFolder();
  using store = Store.copy("/nonexistent");
  const [path, victim] = [`${folder.path}/hosts`, `${folder.path}/victim`];
  Deno.writeTextFileSync(victim, "victim");
  for (const link of [path, `${folder.path}/.hosts.new`]) Deno.symlinkSync(victim, link);
  new KnownNames(store, path);
  assertEquals([Deno.readTextFileSync(victim), Deno.lstatSync(path).isFile], ["victim", true]);
});
