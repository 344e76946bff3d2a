// The handlers of a network driver, with a driver that has only what is on record.
import { assertEquals } from "@std/assert";
import type { EndpointRoute, EngineDriver, Network } from "../../../../lib/driver/mod.ts";
import { NETWORK_HANDLERS } from "../../../../lib/engine/docker/network.ts";
import { endpointOn, network as networkRecord } from "../../../kit/values.ts";
import { IpvlanError } from "../../../../lib/base/errors.ts";
import { assertRejectsError } from "../../../kit/errors.ts";

const NETWORK = "3f2b8c1d9e7a".padEnd(64, "0");
const OTHER = "3f2b8c1d9e7a".padEnd(64, "1");
const ENDPOINT = "a1b2c3d4e5f6".padEnd(64, "9");

const NAME = "docker:3f2b8c1d9e7a";
const RECORD: Network = networkRecord(NAME, { owner: { engine: "docker", id: NETWORK } });

/** A container's endpoint: the routes are those of the network, unless there are others. */
type Container = { name: string; path?: string; routes?: EndpointRoute[] };

/** Makes a driver with one network and the endpoints of some containers, and notes what is removed. */
function fakeDriver(containers: readonly Container[] = [], failure?: Error) {
  const [removed, made, notices]: [string[], string[], string[]] = [[], [], []];
  const sandboxes = containers.map(({ name, path, routes }) => {
    const endpoint = endpointOn(RECORD, name, { ip: "192.168.1.9" });
    return { name, path, endpoints: [{ ...endpoint, ...routes && { routes } }] };
  });
  const driver = {
    findNetwork: (name: string) => name === NAME ? RECORD : undefined,
    inspectNetwork: () => ({
      ...RECORD,
      endpoints: sandboxes.map(({ name, endpoints: [endpoint] }) => ({
        ...endpoint,
        sandbox: name,
      })),
    }),
    inspectSandbox: (name: string) => {
      if (failure) throw failure;
      const found = sandboxes.find((each) => each.name === name);
      if (!found) throw new IpvlanError("sandbox-not-found", { sandbox: name, known: [] });
      return found;
    },
    borrowSandbox: ({ name }: { name: string }) => {
      made.push(name);
      const endpoint = endpointOn(RECORD, name, { ip: "192.168.1.8" });
      return Promise.resolve({ value: { endpoints: [endpoint] }, notices: ["Slowly"] });
    },
    listSandboxes: () => sandboxes,
    setSandboxPath: () => Promise.resolve(),
    removeSandbox: (name: string) => Promise.resolve(void removed.push(name)),
    removeNetwork: (name: string) => Promise.resolve(void removed.push(name)),
  } as unknown as EngineDriver;
  const call = async (name: string, body: unknown) =>
    await NETWORK_HANDLERS[`NetworkDriver.${name}`]!(
      driver,
      body,
      (sentence) => notices.push(sentence),
    );
  return { call, removed, made, notices };
}

Deno.test("a network with the same first digits is another one: it stays, and has no new endpoint", async () => {
  const { call, removed } = fakeDriver([{ name: "docker:x" }]);
  assertEquals(await call("DeleteNetwork", { NetworkID: OTHER }), {});
  assertEquals(removed, []);
  const body = { NetworkID: OTHER, EndpointID: ENDPOINT };
  await assertRejectsError(() => call("CreateEndpoint", body), "invalid-option", "12 digits");
  assertEquals(await call("DeleteNetwork", { NetworkID: NETWORK }), {});
  assertEquals(removed, ["docker:x", NAME]);
});

Deno.test("a network that is gone, and an endpoint that is gone, are no error", async () => {
  const { call, removed } = fakeDriver();
  assertEquals(await call("DeleteNetwork", { NetworkID: "f".repeat(64) }), {});
  assertEquals(removed, []);
});

Deno.test("before Docker makes a container's namespace, its routes are those of its other endpoints", async () => {
  const own = `docker:${ENDPOINT}`;
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${folder}/file`, "");
    const gateway = async (path: string, others: Container[]) => {
      const { call } = fakeDriver([{ name: own, path }, ...others]);
      const body = { NetworkID: NETWORK, EndpointID: ENDPOINT, SandboxKey: path };
      return (await call("Join", body) as { Gateway?: string }).Gateway;
    };
    // Neither is the file of a namespace.
    for (const path of [`${folder}/none`, `${folder}/file`]) {
      const other = { name: "docker:y", routes: [{ dst: "0.0.0.0/0" }] };
      assertEquals(await gateway(path, []), "192.168.1.1");
      assertEquals(await gateway(path, [{ ...other, path: "/elsewhere" }]), "192.168.1.1");
      assertEquals(await gateway(path, [{ ...other, path }]), undefined);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a new endpoint takes the place of one that has its address, and what fails is an error", async () => {
  const lost = { name: "docker:lost" };
  const { call, removed, made, notices } = fakeDriver([lost]);
  const body = { NetworkID: NETWORK, EndpointID: ENDPOINT };
  const Interface = (Address: string) => ({ Interface: { Address } });
  await call("CreateEndpoint", { ...body, ...Interface("192.168.1.7/24") });
  assertEquals([removed, made, notices], [[], [`docker:${ENDPOINT}`], ["Slowly"]]);
  await call("CreateEndpoint", { ...body, ...Interface("192.168.1.9/24") });
  assertEquals(removed, ["docker:lost"]);
  const unusable = new IpvlanError("store-unusable", { folder: "/s", reason: "full" });
  const broken = fakeDriver([lost], unusable);
  await assertRejectsError(() => broken.call("CreateEndpoint", body), "store-unusable");
  assertEquals(broken.made, []);
});

Deno.test("a repeated call for an endpoint has the same answer, and makes no second one", async () => {
  const { call, removed } = fakeDriver([{ name: `docker:${ENDPOINT}` }]);
  const body = { NetworkID: NETWORK, EndpointID: ENDPOINT };
  assertEquals(await call("CreateEndpoint", body), {
    Interface: { Address: "192.168.1.9/24", AddressIPv6: undefined },
  });
  assertEquals(removed, []);
});

Deno.test("a call that is for other drivers, and one about an endpoint, has an answer without a result", async () => {
  const { call } = fakeDriver();
  const body = { NetworkID: NETWORK, EndpointID: ENDPOINT };
  assertEquals(await call("Leave", body), {});
  assertEquals(await call("EndpointOperInfo", body), { Value: {} });
  assertEquals(await call("DiscoverNew", undefined), {});
  await assertRejectsError(() => call("Leave", { NetworkID: NETWORK }), "invalid-request");
});
