import { assertEquals } from "@std/assert";
import { parse } from "@std/yaml";
import { IpvlanError } from "../../../lib/errors.ts";
import type { Current } from "../../../lib/site/current.ts";
import { parseSite } from "../../../lib/site/desired.ts";
import { siteLabels } from "../../../lib/site/labels.ts";
import { makePlan } from "../../../lib/site/plan.ts";
import type { Plan } from "../../../lib/site/types.ts";
import { planLines } from "../../../lib/site/words.ts";

/*
 * Each folder of golden/ is a test that one can read: what there is (current.yaml), what there
 * should be (desired.yaml, a site file) and what has to be done (plan.txt): the lines that people
 * are shown, then the calls, in order. UPDATE_GOLDEN=1 writes plan.txt anew.
 */
const FOLDER = new URL("golden/", import.meta.url);

/** What is left out of a record in current.yaml is as the driver settles it. */
interface CurrentFile {
  networks?: Record<string, Record<string, unknown> & { site?: string }>;
  sandboxes?: Record<
    string,
    {
      site?: string;
      labels?: Record<string, string>;
      command?: string[];
      endpoints?: Record<string, unknown>[];
      down?: boolean;
    }
  >;
}

function toCurrent(file: CurrentFile): Current {
  const sandboxes = Object.entries(file.sandboxes ?? {});
  const labels = (site?: string, own?: Record<string, string>, command?: string[]) =>
    site === undefined ? own ?? {} : siteLabels(site, own, command);
  return {
    networks: Object.entries(file.networks ?? {}).map(([name, { site, ...network }]) => ({
      ...{ id: name, name, created: "", mode: "l2", flag: "bridge", internal: false },
      ...{ parent: `di-${name}`, isolated: network.parent === undefined, subnets: [] },
      ...network,
      ...(network.subnets !== undefined && {
        subnets: (network.subnets as object[]).map((subnet) => ({ auxAddresses: {}, ...subnet })),
      }),
      labels: labels(site, network.labels as Record<string, string>),
    } as Current["networks"][number])),
    sandboxes: sandboxes.map(([name, { site, labels: own, command, endpoints = [] }]) => ({
      namespace: "made",
      ...{ name, created: "", labels: labels(site, own, command) },
      endpoints: endpoints.map((endpoint, index) => ({
        ...{ sandbox: name, ifname: `eth${index}`, aliases: [], network: "" },
        ...endpoint,
      })),
    })),
    down: sandboxes.filter(([, { down }]) => down).map(([name]) => name),
  };
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

function planOf(current: string, desired: string): string {
  try {
    const plan = makePlan(parseSite("demo.yaml", desired), toCurrent(parse(current) ?? {}));
    return [...planLines(plan), "", ...calls(plan), ""].join("\n");
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    return `refused:\n${error.message}\n`;
  }
}

for (const { name } of [...Deno.readDirSync(FOLDER)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  Deno.test(`plan: ${name.replaceAll("_", " ")}`, () => {
    const file = (file: string) => new URL(`${name}/${file}`, FOLDER);
    const [current = "", desired = ""] = ["current.yaml", "desired.yaml"].map((each) =>
      Deno.readTextFileSync(file(each))
    );
    const plan = planOf(current, desired);
    if (Deno.env.get("UPDATE_GOLDEN")) Deno.writeTextFileSync(file("plan.txt"), plan);
    assertEquals(plan, Deno.readTextFileSync(file("plan.txt")));
  });
}
