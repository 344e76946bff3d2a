import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml";
import { IpvlanError } from "../../../lib/base/errors.ts";
import { parseSite } from "../../../lib/site/desired.ts";
import { blocks } from "../../kit/pages.ts";
import { type JsonSchema, siteSchema } from "./site_schema.ts";

const FILE = new URL("../../../schema/site.json", import.meta.url);
const SITES = new URL("../../../scenarios/sites/", import.meta.url);

/** Whether a value is as a schema says: the keywords that ours has, and no others. */
function fits(value: unknown, schema: JsonSchema): boolean {
  return Object.entries(schema).every(([keyword, rule]) => {
    const judge = KEYWORDS[keyword];
    assert(judge, `The keyword ${keyword} is not known here`);
    return judge(value, rule as never, schema);
  });
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const TYPES: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === "string",
  integer: Number.isInteger,
  boolean: (value) => typeof value === "boolean",
  array: Array.isArray,
  object: isObject,
  null: (value) => value === null,
};

/** A keyword speaks only of values of its kind (JSON Schema 2020-12, section 7.6.1). */
const KEYWORDS: Record<string, (value: unknown, rule: never, schema: JsonSchema) => boolean> = {
  $schema: () => true,
  title: () => true,
  description: () => true,
  type: (value, rule: string) => TYPES[rule]!(value),
  enum: (value, rule: unknown[]) => rule.includes(value),
  pattern: (value, rule: string) => typeof value !== "string" || new RegExp(rule, "u").test(value),
  minimum: (value, rule: number) => typeof value !== "number" || value >= rule,
  maximum: (value, rule: number) => typeof value !== "number" || value <= rule,
  items: (value, rule: JsonSchema) =>
    !Array.isArray(value) || value.every((item) => fits(item, rule)),
  anyOf: (value, rule: JsonSchema[]) => rule.some((schema) => fits(value, schema)),
  allOf: (value, rule: JsonSchema[]) => rule.every((schema) => fits(value, schema)),
  not: (value, rule: JsonSchema) => !fits(value, rule),
  required: (value, rule: string[]) =>
    !isObject(value) || rule.every((name) => Object.hasOwn(value, name)),
  propertyNames: (value, rule: JsonSchema) =>
    !isObject(value) || Object.keys(value).every((name) => fits(name, rule)),
  properties: (value, rule: Record<string, JsonSchema>) =>
    !isObject(value) ||
    Object.entries(value).every(([name, each]) =>
      !Object.hasOwn(rule, name) || fits(each, rule[name]!)
    ),
  patternProperties: (value, rule: Record<string, JsonSchema>) =>
    !isObject(value) ||
    Object.entries(value).every(([name, each]) =>
      Object.entries(rule).every(([pattern, schema]) =>
        !new RegExp(pattern).test(name) || fits(each, schema)
      )
    ),
  additionalProperties: (value, rule: JsonSchema | boolean, { properties, patternProperties }) =>
    !isObject(value) ||
    Object.entries(value).every(([name, each]) =>
      Object.hasOwn(properties ?? {}, name) ||
      Object.keys(patternProperties ?? {}).some((pattern) => new RegExp(pattern).test(name)) ||
      (typeof rule === "boolean" ? rule : fits(each, rule))
    ),
};

function isAccepted(text: string): boolean {
  try {
    parseSite("demo.yaml", text);
    return true;
  } catch (error) {
    if (error instanceof IpvlanError) return false;
    throw error;
  }
}

Deno.test("schema/site.json is generated from the shapes", () => {
  // UPDATE_GOLDEN=1 writes it anew.
  const text = JSON.stringify(siteSchema(), null, 2) + "\n";
  if (Deno.env.get("UPDATE_GOLDEN")) Deno.writeTextFileSync(FILE, text);
  const schema = JSON.parse(Deno.readTextFileSync(FILE));
  assertEquals(schema, JSON.parse(text));
});

Deno.test("the schema accepts and refuses what the validator does", () => {
  const network = (text: string) => `networks: { web: ${text} }`;
  const sandbox = (text: string) =>
    `networks: { web: { subnets: [10.0.0.0/8, "2001:db8::/64"] } }\nsandboxes: { a: ${text} }`;
  const accepted = [
    "{}",
    "name: web\nx-anything: [1, { a: b }]",
    "networks:",
    network(""),
    network("{ parent: eth0.20, mode: l3s, flag: vepa, mtu: 68, internal: false }"),
    network("{ mtu: 65535 }"),
    network("{ subnets: [10.0.0.0/8], gateways: [10.0.0.1], ip_ranges: [10.1.0.0/16] }"),
    network("{ subnets: [10.0.0.0/8], aux_addresses: { my printer: 10.0.0.9 } }"),
    network("{ driver: ipvlan, driver_opts: { parent: eth0, ipvlan_mode: l3, mtu: 1400 } }"),
    network("{ driver_opts:, ipam: { driver: default, config: [{ subnet: 10.0.0.0/8 }] } }"),
    network('{ enable_ipv6: true, subnets: ["2001:db8::/64"] }'),
    network("{ labels: { ipvlan.sites: a, b: '1' } }"),
    sandbox(""),
    sandbox("{ networks: [web] }"),
    sandbox("{ networks: { web: } }"),
    sandbox("{ networks: { web: { ip: 10.0.0.9, ip6: '2001:db8::9', aliases: [b, c.d] } } }"),
    sandbox("{ networks: { web: { ip: [10.0.0.9, 10.0.0.10], ip6: ['2001:db8::9'] } } }"),
    sandbox("{ networks: { web: { ipv4_address: 10.0.0.9, interface_name: web0 } } }"),
    sandbox("{ command: sleep 60 }"),
    sandbox("{ command: [sleep, '60'] }"),
    sandbox("{ hostname: web.example.com, hosts: [{ name: db, address: '2001:db8::9' }] }"),
    sandbox("{ dns: { servers: [192.0.2.53], search: [a.example, .], options: ['ndots:2'] } }"),
    sandbox("{ dns:, sysctls:, hosts: [] }"),
    sandbox("{ sysctls: { net.ipv4.ip_forward: 1, net/ipv4/conf/eth0.20/rp_filter: '2' } }"),
    "services: { a: {} }",
    sandbox("{ networks: [web] }") + "\nchecks: [web a reaches a by ip6]",
    sandbox("{ networks: [web] }") + "\nchecks: [a does not reach 10.0.0.1]",
  ];
  const refused = [
    "[]",
    "name: 'a b'",
    "name: 7",
    "nets: {}",
    "networks: []",
    "networks: { -a: {} }",
    `networks: { ${"a".repeat(64)}: {} }`,
    network("[]"),
    network("{ mode: l9 }"),
    network("{ flag: [] }"),
    network("{ mtu: 67 }"),
    network("{ mtu: 65536 }"),
    network("{ mtu: '1400' }"),
    network("{ mtu: 1400.5 }"),
    network("{ internal: 'yes' }"),
    network("{ parent: 'eth 0' }"),
    network("{ parent: averylonglinkname }"),
    network("{ parent: -a }"),
    network("{ parent: }"),
    network("{ subnets: 10.0.0.0/8 }"),
    network("{ subnets: [10.0.0.0] }"),
    network("{ subnets: }"),
    network("{ gateways: [gateway] }"),
    network("{ driver: macvlan }"),
    network("{ driver_opts: { mode: l2 } }"),
    network("{ ipam: { config: { subnet: 10.0.0.0/8 } } }"),
    network("{ ipv6: true, enable_ipv6: true, subnets: ['2001:db8::/64'] }"),
    network("{ labels: { a: 1 } }"),
    network("{ labels: { ipvlan.site: a } }"),
    network("{ labels: { ipvlan.site.b: a } }"),
    "sandboxes: { 7: {} }",
    "sandboxes: {}\nservices: {}",
    sandbox("{ image: alpine }"),
    sandbox("{ networks: web }"),
    sandbox("{ networks: { web: 10.0.0.9 } }"),
    sandbox("{ networks: { web: { ip: '2001:db8::9' } } }"),
    sandbox("{ networks: { web: { ip6: 10.0.0.9 } } }"),
    sandbox("{ networks: { web: { ip: [10.0.0.9, 'fd00::9'] } } }"),
    sandbox("{ networks: { web: { ip: 10.0.0.9, ipv4_address: 10.0.0.9 } } }"),
    sandbox("{ networks: { web: { aliases: ['a b'] } } }"),
    sandbox("{ command: [sleep, 60] }"),
    sandbox("{ hostname: 5 }"),
    sandbox("{ hostname: a b }"),
    sandbox("{ hosts: { db: 192.0.2.9 } }"),
    sandbox("{ hosts: [{ name: db }] }"),
    network("{ subnets: [{ gateway: 10.0.0.1 }] }"),
    sandbox("{ hosts: [{ name: a b, address: 192.0.2.9 }] }"),
    sandbox("{ hosts: [{ name: db, address: host-gateway }] }"),
    sandbox("{ dns: [192.0.2.53] }"),
    sandbox("{ dns: { servers: 192.0.2.53 } }"),
    sandbox("{ dns: { servers: [dns.example.com] } }"),
    sandbox("{ dns: { search: [a b] } }"),
    sandbox("{ dns: { options: [a b] } }"),
    sandbox("{ sysctls: { kernel.shmmax: '1' } }"),
    sandbox("{ sysctls: { net.ipv4.x: true } }"),
    sandbox("{ sysctls: { net.ipv4.x: 1.5 } }"),
    sandbox("{ sysctls: { net.ipv4.x: '1; id' } }"),
    sandbox("{ command: { sleep: 60 } }"),
    sandbox("{}") + "\nchecks: [a pings a]",
    sandbox("{}") + "\nchecks: a reaches a",
  ];
  // What takes more than to look at one value is the validator's alone to judge.
  const beyond = [
    network("{ subnets: [10.0.0.0/8], gateways: [11.0.0.1] }"),
    network("{ subnets: [300.0.0.0/8] }"),
    network("{ mode: l2, driver_opts: { ipvlan_mode: l2 } }"),
    network("{ ipv6: true }"),
    sandbox("{ networks: [lan] }"),
    sandbox("{ command: 'sleep 60 && true' }"),
    sandbox("{ command: [] }"),
    sandbox("{ sysctls: { net/ipv4/../x: '1' } }"),
    sandbox("{}") + "\nchecks: [b reaches a]",
  ];
  const schema = siteSchema();
  const judged = (files: string[]) =>
    files.map((text) => [text, isAccepted(text), fits(parse(text), schema)]);
  assertEquals(judged(accepted), accepted.map((text) => [text, true, true]));
  assertEquals(judged(refused), refused.map((text) => [text, false, false]));
  assertEquals(judged(beyond), beyond.map((text) => [text, false, true]));
});

Deno.test("the site files of the guide and of the page are accepted by both", () => {
  const files = [...Deno.readDirSync(SITES)].map(({ name }) =>
    Deno.readTextFileSync(new URL(name, SITES))
  );
  const examples = blocks("docs/site-files.md", "yaml");
  assert(examples.length > 0);
  for (const text of [...files, ...examples]) {
    assertEquals([text, isAccepted(text), fits(parse(text), siteSchema())], [text, true, true]);
  }
});
