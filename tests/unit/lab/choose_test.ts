import { assertEquals, assertRejects } from "@std/assert";
import { runInFirst } from "../../../lab/choose.ts";
import type { Engine, EngineName, Probe, Wish } from "../../../lab/engine.ts";
import { type Attempt, LabError, StartError } from "../../../lab/errors.ts";

const wish: Wish = { modules: [], signal: new AbortController().signal };
const works = (what: string): Probe => ({ ok: true, what });
const lacks = (...attempts: Attempt[]): Probe => ({ ok: false, attempts });

/**
 * Runs a job in engines that answer as told; their number in the order is the exit status.
 * Engines in `dead` do not start.
 */
async function choose(
  answers: Partial<Record<EngineName, Probe>>,
  { asked, dead = [] }: { asked?: EngineName; dead?: EngineName[] } = {},
) {
  const probed: string[] = [];
  const said: string[] = [];
  const engines = Object.entries(answers).map(([name, probe], index): Engine => ({
    name: name as EngineName,
    probe() {
      probed.push(name);
      return Promise.resolve(probe);
    },
    atMost: (wanted) => Promise.resolve(wanted),
    run() {
      if (!dead.includes(this.name)) return Promise.resolve(index);
      return Promise.reject(new StartError([{ name, why: "it died", advice: "mend it" }]));
    },
  }));
  const say = (line: string) => void said.push(line);
  const run = (engine: Engine) => engine.run({ command: [], cwd: "/", ...wish });
  const status = await runInFirst(engines, { asked, run, say, wish });
  return { status, probed, said };
}

Deno.test("runInFirst() takes the first that works, and asks no further", async () => {
  assertEquals(await choose({ native: works("Linux 6.12"), uml: works("Linux 6.1") }), {
    status: 0,
    probed: ["native"],
    said: ["native (Linux 6.12): the first choice"],
  });
});

Deno.test("runInFirst() says why the earlier ones are not taken", async () => {
  const native = lacks({ name: "native", why: "no ipvlan", advice: "load it" });
  const { status, said } = await choose({ native, uml: works("UML") });
  assertEquals([status, said], [1, ["uml (UML): no ipvlan"]]);
});

Deno.test("runInFirst() asks only the one that was asked for", async () => {
  const answers = { native: works("Linux"), uml: works("UML") };
  assertEquals(await choose(answers, { asked: "uml" }), {
    status: 1,
    probed: ["uml"],
    said: ["uml (UML): asked for"],
  });
});

Deno.test("runInFirst() goes on where an engine does not start after all", async () => {
  const answers = {
    native: lacks({ name: "native", why: "no" }),
    uml: works("6.1"),
    vagrant: works("2"),
  };
  const { status, said } = await choose(answers, { dead: ["uml"] });
  assertEquals([status, said], [2, ["uml (6.1): no", "vagrant (2): no; it died"]]);
});

Deno.test("runInFirst() names all that was tried, why not, and what to do, when none starts", async () => {
  const uml = lacks(
    { name: "Linux 6.1", why: "it died", advice: "fetch it anew" },
    { name: "Linux 7.2", why: "no network" },
  );
  const answers = { native: lacks({ name: "native", why: "no ipvlan" }), uml, vagrant: works("2") };
  await assertRejects(
    () => choose(answers, { dead: ["vagrant"] }),
    LabError,
    "No engine works here\n  native: no ipvlan\n  Linux 6.1: it died; fetch it anew\n" +
      "  Linux 7.2: no network\n  vagrant: it died; mend it",
  );
  await assertRejects(
    () => choose(answers, { asked: "uml" }),
    LabError,
    "The engine uml cannot run\n  Linux 6.1: it died; fetch it anew\n  Linux 7.2: no network",
  );
  await assertRejects(
    () => choose(answers, { asked: "native" }),
    LabError,
    "The engine native cannot run: no ipvlan",
  );
});
