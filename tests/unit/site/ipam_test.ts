import { assertEquals, assertThrows } from "@std/assert";
import { networkDifferences } from "../../../lib/site/describe.ts";
import { parseSite } from "../../../lib/site/desired.ts";
import { exportSite } from "../../../lib/site/records.ts";
import { settle } from "../../../lib/driver/network/settle.ts";
import { IDENTITY } from "../../kit/values.ts";

function read(ipam: string) {
  return parseSite(
    "web.yaml",
    `networks: { n: { parent: eth0, subnets: [10.0.0.0/24], ${ipam} } }`,
  );
}

const SHARED = "ipam: { driver: etcd, endpoints: ['https://a:2379/'], prefix: /x, ca: /ca.pem }";

Deno.test("a site file says where the addresses of a network come from", () => {
  const [spec] = read(SHARED).networks;
  assertEquals(spec!.ipam, {
    driver: "etcd",
    access: { endpoints: ["https://a:2379/"], prefix: "/x", ca: "/ca.pem" },
  });
  // What it leaves out of such a network, it says too.
  assertEquals([spec!.mode, spec!.internal], ["l2", false]);
  assertEquals(read("ipam: { driver: default }").networks[0]!.ipam, undefined);
});

Deno.test("what is wrong is said at its line", () => {
  const message = (ipam: string) => assertThrows(() => read(ipam), Error).message;
  assertEquals(
    message("ipam: { endpoints: ['https://a:2379'] }"),
    "web.yaml:1: networks.n.ipam.endpoints: It is for the driver etcd: name that, or leave it out",
  );
  assertEquals(
    message("ipam: { driver: etcd, endpoints: [a], ca: ca.pem }").split("\n").length,
    2,
  );
});

Deno.test("an exported file asks for the same pool, and another one is a difference", () => {
  const { network } = settle(read(SHARED).networks[0]!);
  const record = { ...network, ...IDENTITY, parent: "eth0", isolated: false };
  const { value } = exportSite({ networks: [record], sandboxes: [] });
  const written = JSON.stringify({ networks: value.networks });
  assertEquals(settle(parseSite("web.yaml", written).networks[0]!).network.ipam, network.ipam);
  const { ipam: _, ...local } = network;
  assertEquals(networkDifferences(local, network), [
    "ipam default -> etcd endpoints=https://a:2379,prefix=/x,ca=/ca.pem",
  ]);
});
