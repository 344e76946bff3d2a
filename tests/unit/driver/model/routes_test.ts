import { assertEquals } from "@std/assert";
import { priorityProblem, routePrefix, wayOut } from "../../../../lib/driver/model/routes.ts";

Deno.test("a default route leads to the gateway in L2 mode, and else to the link, if it may", () => {
  const ways = (["l2", "l3", "l3s"] as const).map((mode) =>
    [false, true].flatMap((internal) =>
      [false, true].map((isolated) => wayOut({ mode, internal, isolated }))
    )
  );
  assertEquals(ways, [
    ["gateway", "none", "none", "none"],
    ["link", "link", "none", "none"],
    ["link", "link", "none", "none"],
  ]);
});

Deno.test("a priority is a whole number up to 1000, or down to -1000", () => {
  for (const priority of [-1000, 0, 1000]) assertEquals(priorityProblem(priority), undefined);
  for (const priority of [-1001, 1001, 0.5, NaN, Infinity]) {
    assertEquals(
      priorityProblem(priority)?.message,
      `The gw-priority "${priority}" is not valid: give a whole number from -1000 to 1000`,
    );
  }
  assertEquals(priorityProblem(NaN, "high")?.message.includes('"high"'), true);
});

Deno.test("the destination of a route has its prefix length, and no bits beyond it", () => {
  const prefixes = ["10.0.0.7", "10.0.0.7/8", "fd00::7", "fd00::7/16"].map((dst) =>
    routePrefix(dst)
  );
  assertEquals(prefixes, ["10.0.0.7/32", "10.0.0.0/8", "fd00::7/128", "fd00::/16"]);
  assertEquals([routePrefix("default", 4), routePrefix("default", 6)], ["0.0.0.0/0", "::/0"]);
});
