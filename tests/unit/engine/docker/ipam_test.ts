import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { EngineDriver } from "../../../../lib/driver/mod.ts";
import { type EtcdAccess, IpvlanError } from "../../../../mod.ts";
import {
  ipamHandlers,
  readRequestAddress,
  readRequestPool as readRequestPoolIn,
} from "../../../../lib/engine/docker/ipam.ts";
import { assertRejectsError } from "../../../kit/errors.ts";

/** Reads a request where the plugin has no etcd of its own. */
function readRequestPool(body: unknown, environment = {}) {
  return readRequestPoolIn(body, { environment });
}

/** Runs a test with a function that has the plugin answer a call. */
async function withPlugin(
  test: (
    call: (name: string, body?: unknown) => Promise<unknown>,
    driver: EngineDriver,
  ) => Promise<void>,
): Promise<void> {
  const handlers = ipamHandlers({ environment: {} });
  const stateDir = await Deno.makeTempDir();
  try {
    await using driver = await EngineDriver.open({ stateDir });
    // async, so that an error that is thrown at once is a rejection too
    await test(async (name, body) => {
      return await handlers[`IpamDriver.${name}`]!(driver, body, () => {});
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
    await assertRejectsError(() => address({ Address: "" }), "pool-not-found");
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

Deno.test("where one etcd has all pools, no request leads to another one", () => {
  const etcd: EtcdAccess = {
    endpoints: ["http://a:1", "http://b:1"],
    user: "u",
    passwordFile: "/p",
  };
  const read = (Options: Record<string, string> | null, environment = {}) =>
    readRequestPoolIn({ ...POOL, Options }, { environment, etcd }).ipam;
  const all = { driver: "etcd", access: etcd } as const;
  const same = { endpoints: "http://a:1,http://b:1/", user: "u", "password-file": "/p" };
  assertEquals([read(null), read({}), read(same)], [all, all, all]);
  const dockers = { "com.docker.network.ipam.serial": "true" };
  assertEquals(read(dockers, { IPVLAN_ETCD_PREFIX: "/x" }), all);
  assertEquals(
    read({ endpoints: same.endpoints }, { IPVLAN_ETCD_USER: "u", IPVLAN_ETCD_PASSWORD_FILE: "/p" }),
    all,
  );
  const others: Record<string, string>[] = [
    { prefix: "/x" },
    { ...same, prefix: "/x" },
    { ...same, endpoints: "http://c:1" },
    { endpoints: same.endpoints },
    { password: "Secret7" },
    { endpoints: "nonsense" },
    { x: "y" },
  ];
  for (const options of others) {
    const { message } = assertThrows(() => read(options), IpvlanError);
    const names = Object.keys(options).join(",");
    assertEquals(
      message,
      `The IPAM option "${names}" is not valid: docker serve --ipam-opt has all pools in etcd ` +
        "endpoints=http://a:1,http://b:1,user=u,password-file=/p: leave it out",
    );
  }
});

Deno.test("where one etcd has all pools, those of before give no address, and can still go", async () => {
  await withPlugin(async (call, driver) => {
    await call("RequestPool", POOL);
    await call("RequestAddress", { PoolID: ID, Address: "192.168.1.2" });
    const etcd = { endpoints: ["http://127.0.0.1:1"] };
    const handlers = ipamHandlers({ environment: {}, etcd });
    const later = async (name: string, body: unknown) =>
      await handlers[`IpamDriver.${name}`]!(driver, body, () => {});
    for (const body of [{}, { Address: "192.168.1.2" }, { Options: GATEWAY }]) {
      await assertRejects(
        () => later("RequestAddress", { PoolID: ID, ...body }),
        IpvlanError,
        `The address pool "${ID}" is not valid: docker serve --ipam-opt has all pools in etcd: ` +
          "create its networks again",
      );
    }
    // Docker's choice of a subnet would be another one on each host.
    await assertRejects(
      () => later("RequestPool", { ...POOL, Pool: "" }),
      IpvlanError,
      "hosts share a subnet that is given",
    );
    assertEquals(driver.listPools().map(({ id, claims }) => [id, claims.length]), [[ID, 1]]);
    await later("ReleaseAddress", { PoolID: ID, Address: "192.168.1.2" });
    await later("ReleasePool", { PoolID: ID });
    assertEquals(driver.listPools(), []);
  });
});
