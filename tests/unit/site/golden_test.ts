import { assertEquals } from "@std/assert";
import { parse } from "@std/yaml";
import { settingsOf } from "../../../lib/driver/model/settings.ts";
import type { SandboxSettings } from "../../../lib/driver/model/types.ts";
import { IpvlanError } from "../../../lib/base/errors.ts";
import type { Current } from "../../../lib/site/records.ts";
import { parseSite } from "../../../lib/site/desired.ts";
import { type Maker, siteLabels } from "../../../lib/site/labels.ts";
import { makePlan, makeRollback } from "../../../lib/site/plan.ts";
import type { Desired, Plan } from "../../../lib/site/types.ts";
import { describeSandbox, planLines } from "../../../lib/site/describe.ts";
import { statesDuring } from "./model.ts";
import { plainEndpoint } from "../../kit/values.ts";

/*
 * Each folder of golden/ is a test that one can read: what there is (current.yaml), what there
 * should be (desired.yaml, a site file) and what has to be done (plan.txt): the lines that people
 * are shown, then the calls, in order. UPDATE_GOLDEN=1 writes plan.txt anew.
 */
const FOLDER = new URL("golden/", import.meta.url);

/** What is left out of a record in current.yaml is as the driver settles it. */
interface CurrentFile {
  /** The path and the content of desired.yaml: see {@linkcode makerOf}. */
  file?: string;
  networks?: Record<string, Record<string, unknown> & { site?: string; file?: string }>;
  sandboxes?: Record<
    string,
    {
      site?: string;
      /** The path and the content of the file that made it. */
      file?: string;
      labels?: Record<string, string>;
      command?: string[];
      endpoints?: Record<string, unknown>[];
      down?: boolean;
    } & SandboxSettings
  >;
}

function toCurrent(file: CurrentFile): Current {
  const sandboxes = Object.entries(file.sandboxes ?? {});
  const labels = (
    { site, file }: { site?: string; file?: string },
    own?: Record<string, string>,
    command?: string[],
  ) => site === undefined ? own ?? {} : siteLabels(makerOf(site, file), own, command);
  return {
    networks: Object.entries(file.networks ?? {}).map(([name, { site, file, ...network }]) => ({
      ...{ id: name, name, created: "", mode: "l2", flag: "bridge", internal: false, ipv4: true },
      ...{ parent: `di-${name}`, isolated: network.parent === undefined, subnets: [] },
      ...network,
      ...(network.subnets !== undefined && {
        subnets: (network.subnets as object[]).map((subnet) => ({ auxAddresses: {}, ...subnet })),
      }),
      labels: labels({ site, file }, network.labels as Record<string, string>),
    } as Current["networks"][number])),
    sandboxes: sandboxes.map(([name, { labels: own, command, endpoints = [], ...more }]) => ({
      namespace: "made",
      ...{ id: name, name, created: "", labels: labels(more, own, command) },
      ...settingsOf(more),
      endpoints: endpoints.map((endpoint, index) => ({
        ...plainEndpoint(name, "", { ifname: `eth${index}` }),
        ...endpoint,
      })),
    })),
    down: sandboxes.filter(([, { down }]) => down).map(([name]) => name),
  };
}

/** A site and its file, of which one writes the path and the content: `/demo.yaml new`. */
function makerOf(name: string, file?: string): Maker {
  if (file === undefined) return { name };
  const [path = "", content = ""] = file.split(" ");
  return { name, source: { path, content } };
}

/** The calls of a plan, one per line. */
function calls(plan: Plan): string[] {
  const { site: _site, changes: _changes, ...phases } = plan;
  return Object.entries(phases).flatMap(([phase, items]) =>
    (items as unknown[]).map((item) =>
      `${phase} ${typeof item === "string" ? item : JSON.stringify(item)}`
    )
  );
}

/** A plan as the golden files have it. */
function textOf(plan: Plan): string {
  return [...planLines(plan.changes), "", ...calls(plan), ""].join("\n");
}

/** What a user can see: no ids, and nothing of what a restart took away. */
function visible({ networks, sandboxes }: Current) {
  const byName = (one: { name: string }, other: { name: string }) => one.name < other.name ? -1 : 1;
  return {
    networks: networks.map(({ id: _id, created: _created, ...network }) => network)
      .toSorted(byName),
    sandboxes: sandboxes.map(({ created: _, ...sandbox }) => sandbox).toSorted(byName),
  };
}

/** A test: what there is, and what there should be. */
interface Case {
  before: Current;
  desired: Desired;
}

/** What has to be done, or why it is refused. */
function planOf({ before, desired }: Case): Plan | string {
  try {
    return makePlan(desired, before);
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    return `refused:\n${error.message}\n`;
  }
}

/** Compares a text with a golden file, or writes the file. */
function assertGolden(file: URL, text: string): void {
  if (Deno.env.get("UPDATE_GOLDEN")) Deno.writeTextFileSync(file, text);
  assertEquals(text, Deno.readTextFileSync(file));
}

for (const { name } of [...Deno.readDirSync(FOLDER)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  const title = name.replaceAll("_", " ");
  const file = (file: string) => new URL(`${name}/${file}`, FOLDER);
  const read = (): Case => {
    const current = (parse(Deno.readTextFileSync(file("current.yaml"))) ?? {}) as CurrentFile;
    const desired = parseSite("demo.yaml", Deno.readTextFileSync(file("desired.yaml")));
    return {
      before: toCurrent(current),
      desired: { ...desired, ...makerOf(desired.name, current.file) },
    };
  };

  Deno.test(`plan and rollback: ${title}`, () => {
    const { before, desired } = read();
    const plan = planOf({ before, desired });
    if (typeof plan === "string") return assertGolden(file("plan.txt"), plan);
    assertGolden(file("plan.txt"), textOf(plan));
    const after = statesDuring(plan, before).at(-1) ?? before;
    assertGolden(file("rollback.txt"), textOf(makeRollback(desired.name, before, after)));
  });

  Deno.test(`a plan that fails at any call is undone: ${title}`, () => {
    const { before, desired } = read();
    const plan = planOf({ before, desired });
    if (typeof plan === "string") return;
    for (const state of statesDuring(plan, before)) {
      const rollback = makeRollback(desired.name, before, state);
      const restored = statesDuring(rollback, state).at(-1) ?? state;
      assertEquals(visible(restored), visible(before), textOf(rollback));
    }
  });
}

Deno.test("a new sandbox is described with what it has, and nothing else", () => {
  const plain = { name: "c", connections: [], command: [], labels: {} };
  assertEquals(describeSandbox(plain), []);
  assertEquals(describeSandbox({ ...plain, command: ["nginx"] }), ["command nginx"]);
  const dns = { servers: [], search: ["a.example"] };
  assertEquals(describeSandbox({ ...plain, hostname: "web", dns }), [
    "hostname web",
    "dns no servers, search a.example",
  ]);
});
