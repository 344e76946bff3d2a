import { assertEquals } from "@std/assert";
import { networkFields } from "../../../../lib/cli/docker/shape.ts";
import { readNetworkFilter } from "../../../../lib/cli/docker/filter.ts";
import { printList, readFormat } from "../../../../lib/cli/docker/list.ts";
import type { Driver } from "../../../../lib/driver/mod.ts";
import { network } from "../../../kit/values.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

Deno.test("a network is listed by the labels that it has, and not by what every object has", () => {
  const networks = [network("web", { labels: { tier: "front" } }), network("db")];
  const found = (...filters: string[]) => {
    const isListed = readNetworkFilter(filters);
    return networks.filter((each) => isListed(each, {} as Driver)).map(({ name }) => name);
  };
  assertEquals(found("label=tier"), ["web"]);
  assertEquals(found("label=tier=front"), ["web"]);
  assertEquals(found("label=tier=back"), []);
  assertEquals(found("label=constructor"), []);
  assertEquals(found("name=d", "label=tier"), []);
});

/** What a list of two networks prints with these options of `network ls`. */
function listed(format: string | undefined, ...switches: string[]): string[] {
  const args = {
    value: () => format,
    values: () => [],
    on: (name: string) => switches.includes(name),
    positionals: [],
  };
  const lines: string[] = [];
  printList(
    [network("web", { labels: { "com.example.tier": "front" } }), network("db")],
    readFormat(args),
    {
      key: ({ id }) => id.slice(0, 4),
      fields: networkFields(({ id }) => id.slice(0, 4)),
      headers: { ID: "NETWORK ID" },
      columns: { NAME: ({ name }) => name, MODE: ({ mode }) => mode },
    },
    (line) => lines.push(...line.split("\n")),
  );
  return lines;
}

Deno.test("a list is printed in each format that Docker has", () => {
  const [header, web, db] = ["NAME   MODE", "web    l2", "db     l2"];
  assertEquals(listed(undefined), [header, web, db]);
  assertEquals(listed("table"), [header, web, db]);
  assertEquals(listed(undefined, "quiet"), ["web0", "db00"]);
  assertEquals(listed("{{.Name}}", "quiet"), ["web0", "db00"]);
  assertEquals(listed("{{.Name}}: {{.Driver}}"), ["web: ipvlan", "db: ipvlan"]);
  // A shell leaves `\t` as it is, and so does Docker's own documentation.
  assertEquals(listed(String.raw`{{.Name}}\t{{print "a\tb"}}\n`), [
    "web\ta\tb",
    "",
    "db\ta\tb",
    "",
  ]);
  assertEquals(listed(String.raw`{{.Name}}{{"\n"}}-`), ["web", "-", "db", "-"]);
  assertEquals(listed(String.raw`table {{.ID}}\t{{upper .Name}}\t{{.Label "com.example.tier"}}`), [
    "NETWORK ID   NAME   tier",
    "web0         WEB    front",
    "db00         DB",
  ]);
  // Its header cannot be made of names alone, and the rows have more cells.
  assertEquals(listed(String.raw`table {{range split .Labels "="}}{{.}}\t{{end}}`), [
    "",
    "com.example.tier   front",
    "",
  ]);
  for (const lines of [listed("json"), listed("{{json .}}"), listed(undefined, "json")]) {
    assertEquals(lines.map((line) => JSON.parse(line).Name), ["web", "db"]);
  }
});

Deno.test("a format that prints nothing of the items is refused, and a wrong template also with -q", () => {
  assertThrowsError(() => listed("yaml"), "invalid-option", 'The format "yaml" is not valid');
  assertThrowsError(() => listed("{{", "quiet"), "template", "unclosed action");
  assertThrowsError(() => listed("{{.Nope}}"), "template", "can't evaluate field Nope");
});

Deno.test("dangling takes what Go takes for true and false, and nothing else", () => {
  const inspectNetwork = (name: string) => ({ endpoints: name === "web" ? [1] : [] });
  const driver = { inspectNetwork } as unknown as Driver;
  const found = (filter: string) => {
    const isListed = readNetworkFilter([filter]);
    return ["web", "db"].filter((name) => isListed(network(name), driver));
  };
  for (const word of ["true", "1", "T"]) assertEquals(found(`dangling=${word}`), ["db"]);
  for (const word of ["false", "0", "F"]) assertEquals(found(`dangling=${word}`), ["web"]);
  for (const word of ["no", "yes", "banana"]) {
    assertThrowsError(() => readNetworkFilter([`dangling=${word}`]), "invalid-option");
  }
});
