import { assertEquals } from "@std/assert";
import { filterNetworks, readFilters } from "../../../lib/cli/list.ts";
import type { Driver } from "../../../lib/driver/mod.ts";
import { network } from "../../kit/values.ts";

Deno.test("a network is listed by the labels that it has, and not by what every object has", () => {
  const listNetworks = () => [network("web", { labels: { tier: "front" } }), network("db")];
  const driver = { listNetworks } as Driver;
  const found = (...filters: string[]) =>
    filterNetworks(driver, readFilters(filters)).map(({ name }) => name);
  assertEquals(found("label=tier"), ["web"]);
  assertEquals(found("label=tier=front"), ["web"]);
  assertEquals(found("label=tier=back"), []);
  assertEquals(found("label=constructor"), []);
  assertEquals(found("name=d", "label=tier"), []);
});
