import { assertEquals, assertMatch } from "@std/assert";
import { gatherState } from "../../../lib/doctor/gather.ts";
import { Store } from "../../../lib/driver/store/store.ts";
import { endpointRecord, network, sandboxRecord } from "../../kit/values.ts";
import { temporaryFolder } from "../../kit/worlds.ts";

const EMPTY = { networks: [], endpoints: [], sandboxes: [], owned: [], made: [], halfDone: [] };

Deno.test("a folder without records has none, also if it could be made and is not there", async () => {
  await using folder = await temporaryFolder();
  for (const path of [folder.path, `${folder.path}/a/b/`]) {
    assertEquals(gatherState(path), { folder: path, ...EMPTY });
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("a folder that cannot be a folder is a problem of the state", async () => {
  await using folder = await temporaryFolder();
  Deno.writeTextFileSync(`${folder.path}/file`, "");
  const { problem, ...facts } = gatherState(`${folder.path}/file`);
  assertEquals(facts, { folder: `${folder.path}/file`, ...EMPTY });
  assertMatch(problem!, /^Not a directory/);
});

Deno.test("records are ready or half done, and sandboxes are ours or an engine's", async () => {
  await using folder = await temporaryFolder();
  const [web, db] = [network("web"), network("db")];
  const [ready, making] = [endpointRecord("c1", web), {
    ...endpointRecord("c2", web, { ifname: "eth7", ip: "192.168.1.3" }),
    id: "ba9876543210",
  }];
  const dummy = { type: "dummy" as const, name: "di-1" };
  const all = () => {
    using store = Store.open(folder.path);
    store.transaction(() => {
      store.putNetwork(web, "ready");
      store.putSandbox(sandboxRecord("c1"), "ready");
      store.putEndpoint(ready, "ready");
      store.putLink(dummy);
      store.putSandbox({ ...sandboxRecord("docker:x"), path: "/var/run/docker/netns/x" }, "ready");
    });
    return gatherState(folder.path);
  };
  const whole = {
    ...{ folder: folder.path, networks: [web], endpoints: [ready], sandboxes: ["c1"] },
    owned: [{ name: "docker:x", path: "/var/run/docker/netns/x" }],
    ...{ made: [dummy], halfDone: [] as string[] },
  };
  assertEquals(all(), whole);
  using store = Store.open(folder.path);
  store.transaction(() => {
    store.putNetwork(db, "removing");
    store.putSandbox(sandboxRecord("c2"), "making");
    store.putEndpoint(making, "making");
  });
  const halfDone = ['network "db"', 'sandbox "c2"', 'link "eth7" of sandbox "c2"'];
  assertEquals(gatherState(folder.path), { ...whole, halfDone });
});
