// Addresses that a network keeps for sandboxes that are not there.
import { assert, assertEquals } from "@std/assert";
import { assertRejectsError } from "../kit/errors.ts";
import { withHost } from "../kit/worlds.ts";

const NETWORK = { name: "n", parent: "eth0", subnets: ["10.0.0.0/26", "fd00::/64"] };

Deno.test("of twenty that reserve and twenty that connect at once, none gets another's address", () =>
  withHost(async (host) => {
    const [one, two] = [await host.driver(), await host.driver()];
    await one.createNetwork(NETWORK);
    const numbers = Array.from({ length: 20 }, (_, index) => index);
    const [reserved, made] = await Promise.all([
      Promise.all(numbers.map((n) => two.reserveAddress("n", `r${n}`))),
      Promise.all(
        numbers.map((n) => one.createSandbox({ name: `c${n}`, connections: [{ network: "n" }] })),
      ),
    ]);
    const given = made.flatMap(({ value: { endpoints: [each] } }) => [each!.ip, each!.ip6])
      .map((address) => address!.replace(/\/.*/, ""));
    const kept = reserved.flat().map(({ address }) => address);
    assertEquals(new Set([...given, ...kept]).size, 80);
    const connections = [{ network: "n" }];
    const owners = await Promise.all(
      numbers.map((n) => one.createSandbox({ name: `r${n}`, connections })),
    );
    for (const [n, { value: { endpoints: [each] } }] of owners.entries()) {
      const addresses = reserved[n]!.map(({ address }) => address);
      assertEquals([each!.ip, each!.ip6].map((text) => text!.replace(/\/.*/, "")), addresses);
    }
  }));

Deno.test("a sandbox may reserve what it has, and gets that again, also on a network that changes", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    const connections = [{ network: "n" }];
    await driver.createSandbox({ name: "c", connections: [{ network: "n", ip: "10.0.0.9" }] });
    assertEquals(await driver.reserveAddress("n", "c"), [
      { name: "c", address: "10.0.0.9" },
      { name: "c", address: "fd00::2" },
    ]);
    await driver.removeSandbox("c");
    await driver.updateNetwork("n", { mtu: 1400 });
    await driver.label([{ kind: "network", name: "n", labels: { a: "b" } }]);
    const { value } = await driver.createSandbox({ name: "c", connections });
    assertEquals(value.endpoints[0]!.ip, "10.0.0.9/26");
    // It may say another one, and keeps its own.
    await driver.removeSandbox("c");
    const other = [{ network: "n", ip: "10.0.0.20" }];
    const again = await driver.createSandbox({ name: "c", connections: other });
    assertEquals(again.value.endpoints.map(({ ip, ip6 }) => [ip, ip6]), [[
      "10.0.0.20/26",
      "fd00::2/64",
    ]]);
    assertEquals(driver.findNetwork("n")!.reservations?.length, 2);
    assertEquals((await driver.releaseReservations("n", "c")).length, 2);
    assertEquals("reservations" in driver.findNetwork("n")!, false);
    await assertRejectsError(() => driver.releaseReservations("n", "c"), "invalid-option");
  }));

Deno.test("a network on the same parent and subnet gives no reserved address away, and refuses it", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    const of = (name: string, ipRange: string) =>
      driver.createNetwork({ name, parent: "eth0", subnets: [{ subnet: "10.0.0.0/24", ipRange }] });
    await of("one", "10.0.0.64/26");
    await of("two", "10.0.0.128/26");
    await driver.reserveAddress("one", "c", "10.0.0.128");
    const connections = [{ network: "two" }];
    const { value } = await driver.createSandbox({ name: "d", connections });
    assertEquals(value.endpoints[0]!.ip, "10.0.0.129/24");
    const asked = [{ network: "two", ip: "10.0.0.128" }];
    await assertRejectsError(
      () => driver.createSandbox({ name: "e", connections: asked }),
      "address-held",
      'the reservation for "c"',
    );
    await assertRejectsError(
      () => driver.reserveAddress("two", "e", "10.0.0.128"),
      "address-held",
    );
    // The sandbox of the name may have it there.
    const { value: own } = await driver.createSandbox({ name: "c", connections: asked });
    assertEquals(own.endpoints[0]!.ip, "10.0.0.128/24");
  }));

Deno.test("a sandbox that runs already is one problem, and its reserved address is none", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    await driver.reserveAddress("n", "c");
    const create = () => driver.createSandbox({ name: "c", connections: [{ network: "n" }] });
    await create();
    await assertRejectsError(create, "sandbox-exists");
    await driver.removeSandbox("c");
  }));

Deno.test("nonsense is refused in one line, and changes nothing; a dry run only says", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork(NETWORK);
    const before = await host.dump();
    const wrong = [
      ["n", "c", "x", "invalid-address"],
      ["n", "c", "10.0.0.0", "unusable-address"],
      ["n", "c", "10.0.0.1", "reserved-address"],
      ["n", "c", "10.9.0.1", "outside-subnet"],
      ["n", "c", "", "invalid-address"],
      ["n", "../c", undefined, "invalid-name"],
      ["m", "c", undefined, "network-not-found"],
    ] as const;
    for (const [network, name, address, code] of wrong) {
      const error = await assertRejectsError(
        () => driver.reserveAddress(network, name, address),
        code,
      );
      assert(!error.message.includes("\n"));
    }
    const withEnd = () => driver.reserveAddress("n", "c", undefined, 60);
    await assertRejectsError(withEnd, "invalid-option", "in etcd");
    const rehearsed = await host.driver({ dryRun: () => {} });
    assertEquals((await rehearsed.reserveAddress("n", "c")).length, 2);
    assertEquals(await host.dump(), before);
  }));

Deno.test("a sandbox with several addresses may reserve all of them, or one", () =>
  withHost(async (host) => {
    const driver = await host.driver();
    await driver.createNetwork({ ...NETWORK, subnets: ["10.0.0.0/26"] });
    const several = [{ network: "n", ip: "10.0.0.5", moreAddresses: ["10.0.0.6"] }];
    await driver.createSandbox({ name: "c", connections: several });
    const reserved = async (address?: string) =>
      (await driver.reserveAddress("n", "c", address)).map((each) => each.address);
    assertEquals(await reserved("10.0.0.6"), ["10.0.0.6"]);
    await driver.releaseReservations("n", "c");
    assertEquals(await reserved(), ["10.0.0.5", "10.0.0.6"]);
    await driver.removeSandbox("c");
    const again = async (ip?: string) => {
      const { value } = await driver.createSandbox({
        name: "c",
        connections: [{ network: "n", ip }],
      });
      await driver.removeSandbox("c");
      const [{ ip: first, moreAddresses }] = value.endpoints as [typeof value.endpoints[0]];
      return [first, ...moreAddresses ?? []];
    };
    assertEquals(await again(), ["10.0.0.5/26", "10.0.0.6/26"]);
    assertEquals(await again("10.0.0.9"), ["10.0.0.9/26"]);
  }));
