import { assertEquals, assertRejects } from "@std/assert";
import { runInFirst } from "../../../lab/choose.ts";
import type { Engine, EngineName, Probe, Requirements } from "../../../lab/engine.ts";
import { type Attempt, LabError, StartError } from "../../../lab/errors.ts";

const requirements: Requirements = { modules: [], signal: new AbortController().signal };
const works = (what: string): Probe => ({ ok: true, what });
const lacks = (...attempts: Attempt[]): Probe => ({ ok: false, attempts });

/**
 * Runs a job in fake engines. The exit status is the index of the engine that ran it.
 *
 * @param answers What each engine's probe finds.
 * @param options.wanted The only engine to try.
 * @param options.dead Engines whose probe succeeds, but which do not start.
 */
async function choose(
  answers: Partial<Record<EngineName, Probe>>,
  { wanted, dead = [] }: { wanted?: EngineName; dead?: EngineName[] } = {},
) {
  const probed: string[] = [];
  const lines: string[] = [];
  const engines = Object.entries(answers).map(([name, probe], index): Engine => ({
    name: name as EngineName,
    probe() {
      probed.push(name);
      return Promise.resolve(probe);
    },
    maxJobs: (wanted) => Promise.resolve(wanted),
    run() {
      if (!dead.includes(this.name)) return Promise.resolve(index);
      return Promise.reject(new StartError([{ name, why: "it died", advice: "repair it" }]));
    },
  }));
  const say = (line: string) => void lines.push(line);
  const run = (engine: Engine) => engine.run({ command: [], cwd: "/", ...requirements });
  const status = await runInFirst(engines, { wanted, run, say, requirements });
  return { status, probed, lines };
}

Deno.test("runInFirst() uses the first engine that works, and does not probe the others", async () => {
  assertEquals(await choose({ native: works("Linux 6.12"), uml: works("Linux 6.1") }), {
    status: 0,
    probed: ["native"],
    lines: ["native (Linux 6.12): the first choice"],
  });
});

Deno.test("runInFirst() prints why earlier engines do not work", async () => {
  const native = lacks({ name: "native", why: "no ipvlan", advice: "load it" });
  const { status, lines } = await choose({ native, uml: works("UML") });
  assertEquals([status, lines], [1, ["uml (UML): no ipvlan"]]);
});

Deno.test("runInFirst() probes only the wanted engine", async () => {
  const answers = { native: works("Linux"), uml: works("UML") };
  assertEquals(await choose(answers, { wanted: "uml" }), {
    status: 1,
    probed: ["uml"],
    lines: ["uml (UML): asked for"],
  });
});

Deno.test("runInFirst() tries the next engine if one does not start after all", async () => {
  const answers = {
    native: lacks({ name: "native", why: "no" }),
    uml: works("6.1"),
    vagrant: works("2"),
  };
  const { status, lines } = await choose(answers, { dead: ["uml"] });
  assertEquals([status, lines], [2, ["uml (6.1): no", "vagrant (2): no; it died"]]);
});

Deno.test("runInFirst() lists all failed engines, with reason and advice, if none starts", async () => {
  const uml = lacks(
    { name: "Linux 6.1", why: "it died", advice: "fetch it again" },
    { name: "Linux 7.2", why: "no network" },
  );
  const answers = { native: lacks({ name: "native", why: "no ipvlan" }), uml, vagrant: works("2") };
  await assertRejects(
    () => choose(answers, { dead: ["vagrant"] }),
    LabError,
    "No engine works here\n  native: no ipvlan\n  Linux 6.1: it died; fetch it again\n" +
      "  Linux 7.2: no network\n  vagrant: it died; repair it",
  );
  await assertRejects(
    () => choose(answers, { wanted: "uml" }),
    LabError,
    "The engine uml cannot run\n  Linux 6.1: it died; fetch it again\n  Linux 7.2: no network",
  );
  await assertRejects(
    () => choose(answers, { wanted: "native" }),
    LabError,
    "The engine native cannot run: no ipvlan",
  );
});
