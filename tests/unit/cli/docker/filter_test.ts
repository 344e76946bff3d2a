import { assertEquals } from "@std/assert";
import { ps } from "../../../../lib/cli/commands/sandbox.ts";
import { readPruneFilter, readSelection } from "../../../../lib/cli/docker/filter.ts";
import { parseArguments } from "../../../../lib/cli/options.ts";
import type { SeenSandbox } from "../../../../lib/driver/model/types.ts";
import { plainEndpoint } from "../../../kit/values.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z");
const WEB = { labels: { tier: "front", a: "" }, created: "2026-03-01T10:00:00.000Z" };

const PRUNED: [filters: string, matches: boolean][] = [
  ["", true],
  ["label=tier", true],
  ["label=tier=front", true],
  ["label=tier=back", false],
  ["label!=tier", false],
  ["label!=tier=back", true],
  ["label=constructor", false],
  ["label=tier label=b", false],
  ["until=1h", true],
  ["until=1h59m", true],
  ["until=2h1s", false],
  ["until=24h", false],
  ["until=2026-03-01T11:00:00Z", true],
  ["until=2026-02-01", false],
  [`until=${NOW / 1000}`, true],
  [`until=${NOW / 1000 - 7200}`, false],
  [`until=${NOW / 1000 - 7199}`, true],
  ["until=7199s", true],
  ["until=7200s", false],
  ["until=1.5h", true],
  ["until=7199999ms", true],
  ["until=7200000ms", false],
  ["until=1h59m59s999ms", true],
  ["until=1h60m", false],
  ["until=1h label=nope", false],
  ["until=1h until=3h", false],
  ["label=tier label!=tier", false],
];

for (const [filters, matches] of PRUNED) {
  Deno.test(`"network prune --filter ${filters}" ${matches ? "takes" : "leaves"} a network`, () => {
    const words = filters.split(" ").filter((word) => word !== "");
    assertEquals(readPruneFilter(words, NOW)(WEB), matches);
  });
}

Deno.test("a filter that there is not is refused", () => {
  for (
    const word of ["colour=red", "label", "label=", "until=soon", "until!=1h", "=x", "toString=x"]
  ) {
    assertThrowsError(() => readPruneFilter([word], NOW), "invalid-option", JSON.stringify(word));
  }
  for (const words of [["-f", "status=up!"], ["-f", "x=1"], ["--last", "x"], ["-f", "name!=a"]]) {
    assertThrowsError(
      () => readSelection(parseArguments("ipvlan ps", ps, words)),
      "invalid-option",
    );
  }
});

function sandbox(
  name: string,
  day: number,
  network: string,
  state: SeenSandbox["state"] = "up",
): SeenSandbox {
  const endpoints: SeenSandbox["endpoints"] = [{
    ...plainEndpoint(name, network),
    state: "up",
    changes: [],
  }];
  const labels = { day: String(day), tier: "web" };
  const created = `2026-03-0${day}T00:00:00Z`;
  return { id: name, name, created, labels, namespace: "made", endpoints, state };
}

const SANDBOXES = [
  sandbox("a1", 1, "red"),
  sandbox("a2", 3, "blue"),
  sandbox("b1", 2, "red", "down"),
];

const LISTED: [words: string, names: string][] = [
  ["", "a1 a2"],
  ["-a", "a1 a2 b1"],
  ["-f name=a", "a1 a2"],
  ["-f id=a1", "a1"],
  ["-af name=1", "a1 b1"],
  ["-f name=a1 -f name=a2", "a1 a2"],
  ["-a -f network=red", "a1 b1"],
  ["-f network=red", "a1"],
  ["-f network=re", ""],
  ["-f status=exited", "b1"],
  ["-f status=running -f status=down", "a1 a2 b1"],
  ["-f label=day=3", "a2"],
  ["-f label=tier -f label=day=1", "a1"],
  ["-f label=day=3 -f label=day=1", ""],
  ["-f label!=day=3", "a1"],
  ["-l", "a2"],
  ["-n 2", "a2 b1"],
  ["-n=-1", "a1 a2"],
  ["-n 3", "a1 a2 b1"],
  ["-n 9", "a1 a2 b1"],
  ["-n 0", ""],
  ["--no-trunc", "a1 a2"],
];

for (const [typed, names] of LISTED) {
  Deno.test(`"ps ${typed}" lists "${names}"`, () => {
    const words = typed.split(" ").filter((word) => word !== "");
    const select = readSelection(parseArguments("ipvlan ps", ps, words));
    const found = select(SANDBOXES);
    assertEquals(found.map(({ name }) => name).join(" "), names);
  });
}
