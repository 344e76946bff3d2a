import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Driver, IpvlanError, PoolNotFoundError } from "../../../mod.ts";
import {
  IPAM_HANDLERS,
  readRequestAddress,
  readRequestPool,
} from "../../../lib/engine/docker/ipam.ts";

/** Runs a test with a function that has the plugin answer a call. */
async function withPlugin(
  test: (call: (name: string, body?: unknown) => Promise<unknown>, driver: Driver) => Promise<void>,
): Promise<void> {
  const stateDir = await Deno.makeTempDir();
  try {
    await using driver = await Driver.open({ stateDir });
    // async, so that an error that is thrown at once is a rejection too
    await test(async (name, body) => {
      return await IPAM_HANDLERS[`IpamDriver.${name}`]!(driver, body, () => {});
    }, driver);
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
}

const POOL = {
  AddressSpace: "local",
  Pool: "192.168.1.0/24",
  SubPool: "",
  Options: {},
  V6: false,
};
const ID = "docker:local/192.168.1.0/24";
const GATEWAY = { RequestAddressType: "com.docker.network.gateway" };

Deno.test("a request of a pool is read as it was seen, and one of Docker's choice has no subnet", () => {
  const owner = { engine: "docker", id: "local" } as const;
  assertEquals(readRequestPool({ ...POOL, SubPool: "192.168.1.64/27" }), {
    owner,
    subnet: "192.168.1.0/24",
    ipRange: "192.168.1.64/27",
  });
  assertEquals(readRequestPool({ ...POOL, Pool: "", Options: null }), { owner });
  assertEquals(readRequestPool({ ...POOL, Pool: "2001:db8::/64", V6: true }), {
    owner,
    subnet: "2001:db8::/64",
    ipv6: true,
  });
  const options = { "com.docker.network.ipam.serial": "true" };
  assertEquals(readRequestPool({ AddressSpace: "local", Options: options }), { owner });
});

Deno.test("a request of an address is read as it was seen", () => {
  assertEquals(readRequestAddress({ PoolID: ID, Address: "192.168.1.1", Options: GATEWAY }), {
    pool: ID,
    isGateway: true,
    claim: { address: "192.168.1.1" },
  });
  assertEquals(readRequestAddress({ PoolID: ID, Address: "", Options: null }), {
    pool: ID,
    isGateway: false,
    claim: {},
  });
});

Deno.test("a body that is not what it should be, and an option that there is not, are refused", () => {
  const bodies: unknown[] = [
    undefined,
    [],
    { ...POOL, AddressSpace: undefined },
    { ...POOL, Pool: 5 },
    { ...POOL, V6: "yes" },
    { ...POOL, Options: { x: 5 } },
    { ...POOL, Options: { x: "y" } },
  ];
  for (const body of bodies) assertThrows(() => readRequestPool(body), IpvlanError);
  assertThrows(() => readRequestAddress({ PoolID: null }), IpvlanError);
  assertThrows(() => readRequestAddress({ PoolID: ID, Address: [] }), IpvlanError);
  assertThrows(
    () => readRequestAddress({ PoolID: ID, Options: { owner: "me" } }),
    IpvlanError,
    'The IPAM option "owner" is not valid: an address has none',
  );
});

Deno.test("the calls of a network's life have the answers that Docker wants", () =>
  withPlugin(async (call, driver) => {
    assertEquals(await call("GetCapabilities"), {
      RequiresMACAddress: false,
      RequiresRequestReplay: false,
    });
    assertEquals(await call("GetDefaultAddressSpaces"), {
      LocalDefaultAddressSpace: "local",
      GlobalDefaultAddressSpace: "global",
    });
    const answer = { PoolID: ID, Pool: "192.168.1.0/24", Data: {} };
    assertEquals(await call("RequestPool", POOL), answer);
    const address = (body: object) => call("RequestAddress", { PoolID: ID, ...body });
    assertEquals(await address({ Address: "", Options: GATEWAY }), {
      Address: "192.168.1.1/24",
      Data: {},
    });
    // An auxiliary address, and two containers.
    assertEquals(await address({ Address: "192.168.1.3" }), {
      Address: "192.168.1.3/24",
      Data: {},
    });
    assertEquals(await address({ Address: "" }), { Address: "192.168.1.2/24", Data: {} });
    assertEquals(await address({ Options: null }), { Address: "192.168.1.4/24", Data: {} });
    await assertRejects(() => address({ Address: "192.168.1.2" }), IpvlanError, "held by");
    const release = (Address: string) => call("ReleaseAddress", { PoolID: ID, Address });
    assertEquals(await release("192.168.1.2"), {});
    assertEquals(await release("192.168.1.2"), {});
    assertEquals(await address({ Address: "" }), { Address: "192.168.1.2/24", Data: {} });
    for (const each of ["192.168.1.1", "192.168.1.3", "192.168.1.2"]) await release(each);
    assertEquals(await call("ReleasePool", { PoolID: ID }), {});
    assertEquals(driver.listPools(), []);
    assertEquals(await call("ReleasePool", { PoolID: ID }), {});
    await assertRejects(() => address({ Address: "" }), PoolNotFoundError);
  }));

Deno.test("two networks of one subnet share a pool, until Docker releases it for both", () =>
  withPlugin(async (call, driver) => {
    const ids = [await call("RequestPool", POOL), await call("RequestPool", POOL)];
    assertEquals(ids[0], ids[1]);
    const gateway = { PoolID: ID, Address: "192.168.1.1", Options: GATEWAY };
    assertEquals(await call("RequestAddress", gateway), await call("RequestAddress", gateway));
    // The end of the first network: the router of the second one is still nobody else's.
    await call("ReleaseAddress", { PoolID: ID, Address: "192.168.1.1" });
    await call("ReleasePool", { PoolID: ID });
    assertEquals(await call("RequestAddress", { PoolID: ID, Address: "" }), {
      Address: "192.168.1.2/24",
      Data: {},
    });
    await call("ReleasePool", { PoolID: ID });
    assertEquals(driver.listPools(), []);
  }));

Deno.test("options of a pool say in which etcd it is, and the environment what they leave out", () => {
  const shared = readRequestPool(
    { ...POOL, Options: { endpoints: "https://a:1,https://b:1", ca: "/ca,prefix=/x" } },
    { IPVLAN_ETCD_USER: "u", IPVLAN_ETCD_PASSWORD_FILE: "/pw" },
  );
  assertEquals(shared.ipam, {
    driver: "etcd",
    access: {
      endpoints: ["https://a:1", "https://b:1"],
      ca: "/ca",
      prefix: "/x",
      user: "u",
      passwordFile: "/pw",
    },
  });
  // Without an option, a pool is one host's, whatever the environment says.
  assertEquals(readRequestPool(POOL, { IPVLAN_ETCD_ENDPOINTS: "http://a:1" }).ipam, undefined);
  assertThrows(
    () => readRequestPool({ ...POOL, Options: { endpoints: "https://a:1", ca: "ca.pem" } }),
    IpvlanError,
    "give its path from / on",
  );
});
