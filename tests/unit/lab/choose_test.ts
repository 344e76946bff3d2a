import { assertEquals, assertRejects } from "@std/assert";
import { chooseEngine } from "../../../lab/choose.ts";
import type { Engine, EngineName } from "../../../lab/engine.ts";
import { LabError } from "../../../lab/errors.ts";

/** Engines that answer as told, and the names of those that were asked. */
function engines(answers: Partial<Record<EngineName, [ok: boolean, why: string]>>) {
  const asked: EngineName[] = [];
  const list = Object.entries(answers).map(([name, [ok, why]]): Engine => ({
    name: name as EngineName,
    probe() {
      asked.push(this.name);
      return Promise.resolve({ ok, why });
    },
    run: () => Promise.reject(new Error("not to be run")),
  }));
  return { list, asked };
}

Deno.test("chooseEngine() takes the first that works, and asks no further", async () => {
  const { list, asked } = engines({ native: [true, "Linux 6.12"], uml: [true, "Linux 6.1"] });
  assertEquals((await chooseEngine(list)).line, "native (Linux 6.12): the first choice");
  assertEquals(asked, ["native"]);
});

Deno.test("chooseEngine() says why the earlier ones are not taken", async () => {
  const { list } = engines({ native: [false, "the kernel has no ipvlan"], uml: [true, "UML"] });
  const { engine, line } = await chooseEngine(list);
  assertEquals(engine.name, "uml");
  assertEquals(line, "uml (UML): the kernel has no ipvlan");
});

Deno.test("chooseEngine() asks only the one that was asked for", async () => {
  const { list, asked } = engines({ native: [true, "Linux"], uml: [true, "UML"] });
  assertEquals((await chooseEngine(list, "uml")).line, "uml (UML): asked for");
  assertEquals(asked, ["uml"]);
});

Deno.test("chooseEngine() says what each engine lacks when none works", async () => {
  const { list } = engines({ native: [false, "no ipvlan"], uml: [false, "no apt-get"] });
  await assertRejects(
    () => chooseEngine(list),
    LabError,
    "No engine works here\n  native: no ipvlan\n  uml: no apt-get",
  );
  await assertRejects(
    () => chooseEngine(list, "uml"),
    LabError,
    "The engine uml cannot run: no apt-get",
  );
});
