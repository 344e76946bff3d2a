import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Ip } from "../../../lib/iproute2/ip.ts";
import { parseJson } from "../../../lib/iproute2/batch.ts";
import { parseRule } from "../../../lib/iproute2/rule.ts";
import type { Runner } from "../../../lib/iproute2/runner.ts";
import { look, lookAtLinks } from "../../../lib/iproute2/view.ts";
import { Collector } from "../../kit/fake_ip.ts";
import { ipCommandError } from "../../../lib/iproute2/errors.ts";
import { assertRejectsError } from "../../kit/errors.ts";

Deno.test("look() asks for what is wanted, and for nothing else", async () => {
  const runner = new Collector();
  const place = { netns: "c1", ip: new Ip(runner) };
  assertEquals(await look(place, {}), { netns: "c1" });
  assertEquals(runner.lines, []);
  assertEquals(await look(place, { links: true, routes: "main" }), {
    netns: "c1",
    links: [],
    routes: [],
  });
  assertEquals(runner.lines.splice(0), [
    "link show",
    "route show table all root 0.0.0.0/0",
    "route show table all root ::/0",
  ]);
  assertEquals(await look({ ip: place.ip }, { addrs: true }), { addrs: [] });
  assertEquals(runner.lines, ["addr show"]);
});

Deno.test("look() shows the routes of the main tables, or of all", async () => {
  const rows = [
    { dst: "10.0.0.0/8", table: "main" },
    { dst: "10.0.0.1", table: "local", type: "local" },
    { dst: "10.8.0.0/16", table: "100" },
  ];
  const place = { ip: new Ip(new Collector(rows)) };
  const tables = async (routes: "main" | "all") =>
    (await look(place, { routes })).routes.map(({ family, table }) => `${family} ${table}`);
  assertEquals(await tables("main"), ["4 main", "6 main"]);
  assertEquals(await tables("all"), [
    ...["4 main", "4 local", "4 100"],
    ...["6 main", "6 local", "6 100"],
  ]);
});

// Rows that iproute2 6.1 printed on Linux 7.2 (`ip -details -json rule show`).
Deno.test("a rule has its selectors, and what has no field is kept as it is printed", () => {
  assertEquals(
    parseRule(4, {
      priority: 51,
      not: null,
      src: "all",
      dst: "10.9.9.9",
      fwmark: "0x7",
      fwmask: "0xff",
      iif: "d0",
      oif: "d1",
      action: "blackhole",
      protocol: "unspec",
    }),
    {
      family: 4,
      priority: 51,
      not: true,
      src: undefined,
      dst: "10.9.9.9",
      fwmark: "0x7",
      fwmask: "0xff",
      iif: "d0",
      oif: "d1",
      action: "blackhole",
      table: undefined,
      goto: undefined,
      suppressPrefixLength: undefined,
      protocol: "unspec",
      others: {},
    },
  );
  const parsed = (row: Record<string, unknown>) => {
    const { src, not, action, table, goto, suppressPrefixLength, others } = parseRule(6, row);
    return JSON.stringify({ src, not, action, table, goto, suppressPrefixLength, others });
  };
  assertEquals(
    parsed({ priority: 60, src: "2001:db8::", srclen: 64, table: "100", protocol: "unspec" }),
    '{"src":"2001:db8::/64","not":false,"action":"lookup","table":"100","others":{}}',
  );
  assertEquals(
    parsed({ priority: 53, src: "all", goto: 32766 }),
    '{"not":false,"action":"goto","goto":32766,"others":{}}',
  );
  assertEquals(
    parsed({ priority: 8, src: "all", nop: null, protocol: "unspec" }),
    '{"not":false,"action":"nop","others":{}}',
  );
  assertEquals(
    parsed({ priority: 61, src: "all", uid_start: 5, table: "main", suppress_prefixlen: 0 }),
    '{"not":false,"action":"lookup","table":"main","suppressPrefixLength":0,' +
      '"others":{"uid_start":5}}',
  );
});

Deno.test("rules are shown by family, and a kernel without IPv6 has none of it", async () => {
  const rule = { priority: 0, src: "all", table: "local" };
  const runner = new Collector([rule]);
  const rules = await new Ip(runner).rule.show();
  assertEquals(rules.map(({ family }) => family), [4, 6]);
  assertEquals(runner.lines, ["rule show", "-6 rule show"]);

  const refusing = (said: string): Runner => ({
    change: () => Promise.resolve(),
    query: (line) =>
      line === "rule show"
        ? Promise.resolve([rule])
        : Promise.reject(ipCommandError(`ip ${line}`, said)),
  });
  const without = refusing("RTNETLINK answers: Address family not supported by protocol");
  assertEquals((await new Ip(without).rule.show()).map(({ family }) => family), [4]);
  const refused = new Ip(refusing("RTNETLINK answers: Operation not permitted"));
  const error = await assertRejectsError(() => refused.rule.show(), "ip-command");
  assertEquals(error.errno, "EPERM");
});

/** A string as `jsonw_puts` of iproute2 6.1 prints it. */
function printed(text: string): string {
  const escapes: Record<string, string> = {
    "\t": "\\t",
    "\n": "\\n",
    "\r": "\\r",
    "\f": "\\f",
    "\b": "\\b",
    "\\": "\\\\",
    '"': '\\"',
  };
  return `"${[...text].map((character) => escapes[character] ?? character).join("")}"`;
}

Deno.test("parseJson() takes what ip prints of any name or alias", () => {
  const text = fc.string({
    unit: fc.oneof(fc.constantFrom(..."\x01\x1b\x7f\t\n\\\"'"), fc.string()),
  });
  fc.assert(
    fc.property(text, (alias) => {
      assertEquals(parseJson(`[{"ifalias":${printed(alias)}}]`), [{ ifalias: alias }]);
    }),
    { seed: 8, numRuns: 500 },
  );
});

Deno.test("lookAtLinks() asks for no more links than those named, and for ipvlan links", async () => {
  const runner = new Collector();
  assertEquals(await lookAtLinks(new Ip(runner), ["eth0.20", "eth0"]), { links: [], addrs: [] });
  assertEquals(runner.lines, [
    "addr show dev eth0.20",
    "link show type ipvlan",
    "link show dev eth0",
  ]);
});
