// What is read of a result: of an IPAM plugin, or of the plugins before this one.
import { assertEquals } from "@std/assert";
import { read as readValue } from "../../../../lib/base/reader.ts";
import { misfitError } from "../../../../lib/engine/cni/errors.ts";
import type { EndpointRoute } from "../../../../lib/driver/model/types.ts";
import {
  formatResult,
  resultReader,
  type ResultRoute,
  toResultRoute,
  toRoute,
} from "../../../../lib/engine/cni/result.ts";

/** What is read, and what is wrong. */
function read(value: unknown): [unknown, string[]] {
  const { value: result, misfits } = readValue(resultReader, value);
  const said = misfits.map(({ path, ...misfit }) =>
    misfitError({ path: ["r", ...path], ...misfit }).message
  );
  return [result, said];
}

const wrong = (value: unknown) => read(value)[1];
const NOTHING = { interfaces: [], ips: [], routes: [] };

Deno.test("a result is read in its usual form, and what is empty is left out", () => {
  const whole = {
    interfaces: [{ name: "eth0", mac: "02:00:00:00:00:01", sandbox: "/x", mtu: 1400 }],
    ips: [{ address: "FD00:0::2/64", gateway: "fd00:0::1", interface: 0 }],
    routes: [{ dst: "10.1.2.3/8", gw: "10.0.0.1" }, { dst: "::/0" }],
    dns: { nameservers: ["10.0.0.53"], search: ["x"], options: ["y"], domain: "z" },
  };
  assertEquals(read(whole), [{
    ...whole,
    ips: [{ address: "fd00::2/64", gateway: "fd00::1", interface: 0 }],
    routes: [{ dst: "10.0.0.0/8", gw: "10.0.0.1" }, { dst: "::/0" }],
  }, []]);
  const empty = {
    interfaces: [{ name: null, mac: "", sandbox: "", mtu: 0 }],
    ips: [{ address: "10.0.0.2/8", gateway: "" }, { address: "10.0.0.3/8", gateway: null }],
    routes: [{ dst: "10.0.0.0/8", gw: "", mtu: 0, priority: 0 }],
    dns: { nameservers: [], search: null, domain: "" },
  };
  assertEquals(read(empty), [{
    interfaces: [{ name: "" }],
    ips: [{ address: "10.0.0.2/8" }, { address: "10.0.0.3/8" }],
    routes: [{ dst: "10.0.0.0/8" }],
  }, []]);
  for (const value of [{}, { interfaces: null, ips: null, routes: null, dns: null }]) {
    assertEquals(read(value), [NOTHING, []]);
  }
});

Deno.test("everything that is wrong with a result is said, with its place", () => {
  const cases: [unknown, string[]][] = [
    [7, ["r is 7, and should be an object"]],
    [[], ["r is [], and should be an object"]],
    [{ interfaces: {} }, ["r.interfaces is {}, and should be a list"]],
    [{ interfaces: [1, { name: 2, mac: 3, sandbox: 4 }] }, [
      "r.interfaces[0] is 1, and should be an object",
      "r.interfaces[1].name is 2, and should be a text",
      "r.interfaces[1].mac is 3, and should be a text",
      "r.interfaces[1].sandbox is 4, and should be a text",
    ]],
    ...["10.0.0.2", "10.0.0.2/33", "10.0.0.2/8/8", "x/8", ""].map((
      address,
    ): [unknown, string[]] => [
      { ips: [{ address }] },
      [`r.ips[0].address is "${address}", and should be an address with its length, such as 192.168.1.2/24`],
    ]),
    [{ ips: [{ address: "10.0.0.2/8", gateway: "x" }] }, [
      'r.ips[0].gateway is "x", and should be an address such as 192.168.1.2',
    ]],
    [{ routes: [{ dst: "10.0.0.0/8", gw: "fd00::1" }] }, [
      'r.routes[0].gw is "fd00::1", and should be an address of the family of 10.0.0.0/8',
    ]],
    ...Object.keys(MOST).map((key): [unknown, string[]] => [
      { routes: [{ dst: "10.0.0.0/8" }, { dst: "::/0", [key]: "5" }] },
      [`r.routes[1].${key} is "5", and should be a whole number up to ${MOST[key]}`],
    ]),
    [{ dns: 7 }, ["r.dns is 7, and should be an object"]],
    [{ dns: { nameservers: "x", options: [1], domain: 2 } }, [
      'r.dns.nameservers is "x", and should be a list',
      "r.dns.options[0] is 1, and should be a text",
      "r.dns.domain is 2, and should be a text",
    ]],
  ];
  for (const [value, sentences] of cases) assertEquals(wrong(value), sentences);
  assertEquals(wrong({ routes: [{ dst: "x" }, {}] }).length, 2);
});

Deno.test("a result without links or name servers has no such keys", () => {
  const ips = [{ address: "fd00::2/64" }, { address: "10.0.0.2/8" }];
  assertEquals(formatResult({ ...NOTHING, ips }, "0.4.0"), {
    cniVersion: "0.4.0",
    ips: [{ version: "6", address: "fd00::2/64" }, { version: "4", address: "10.0.0.2/8" }],
    routes: [],
  });
});

/** The greatest values of the numbers of a route. */
const MOST: Record<string, number> = {
  mtu: 65535,
  advmss: 65535,
  priority: 0xffff_ffff,
  table: 0xffff_ffff,
  scope: 255,
};

Deno.test("a route of a result and one of an endpoint are the same in both directions", () => {
  const pairs: [ResultRoute, EndpointRoute][] = [
    [{ dst: "10.0.0.0/8", gw: "10.0.0.1" }, { dst: "10.0.0.0/8", via: "10.0.0.1" }],
    [{ dst: "10.0.0.0/8", priority: 5, table: 100, mtu: 1400, advmss: 1300 }, {
      dst: "10.0.0.0/8",
      metric: 5,
      table: 100,
      mtu: 1400,
      advmss: 1300,
    }],
    ...([[0, "global"], [253, "link"], [77, "77"]] as const).map((
      [scope, name],
    ): [ResultRoute, EndpointRoute] => [{ dst: "10.0.0.0/8", scope }, {
      dst: "10.0.0.0/8",
      scope: name,
    }]),
  ];
  for (const [result, endpoint] of pairs) {
    assertEquals(toRoute(result), endpoint);
    assertEquals(toResultRoute(endpoint), result);
  }
  // The main table, and the kernel's own sizes and metric.
  for (const table of [0, 254]) {
    assertEquals(toRoute({ dst: "fd01::/16", table, scope: 253 }), { dst: "fd01::/16" });
  }
});
