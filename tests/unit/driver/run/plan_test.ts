import { assert, assertEquals, assertRejects } from "@std/assert";
import { IpvlanError, isIpvlanError } from "../../../../lib/base/errors.ts";
import {
  byPlace,
  CALLER,
  type Place,
  type RunnerOf,
  runPlan,
  type Step,
} from "../../../../lib/driver/run/plan.ts";
import type { Runner } from "../../../../lib/iproute2/runner.ts";
import { ipCommandError } from "../../../../lib/iproute2/errors.ts";
import { assertError, assertRejectsError } from "../../../kit/errors.ts";

/**
 * Places whose runners note what they are asked, refuse some lines, and end over others, together
 * with the lines that were sent along.
 */
class Places {
  readonly log: string[] = [];
  readonly #refused = new Map<string, { error: Error; times: number }>();
  readonly #fatal = new Set<string>();
  readonly #gone = new Set<Place>();
  #burst: string[] = [];

  refuse(line: string, said = "RTNETLINK answers: Invalid argument", times = Infinity): this {
    this.#refused.set(line, { error: ipCommandError(`ip ${line}`, said), times });
    return this;
  }

  endOver(line: string): this {
    this.#fatal.add(line);
    return this;
  }

  remove(place: Place): this {
    this.#gone.add(place);
    return this;
  }

  readonly runnerOf = (place: Place): Runner => {
    const isGone = this.#gone.has(place);
    const name = place === CALLER ? "caller" : place ?? "host";
    this.log.push(`[${name}]`);
    return {
      query: () => Promise.reject(new Error("a plan asks nothing")),
      change: async (line) => {
        if (isGone) throw new IpvlanError("namespace-not-found", { netns: String(place) });
        this.log.push(line);
        this.#burst.push(line);
        await Promise.resolve();
        const burst = this.#burst;
        queueMicrotask(() => this.#burst = []);
        if (burst.some((sent) => this.#fatal.has(sent))) {
          throw new IpvlanError("session-closed", { session: "ip", reason: "bad" });
        }
        const refused = this.#refused.get(line);
        if (refused && refused.times-- > 0) throw refused.error;
      },
    };
  };
}

const step = (line: string, netns?: Place): Step => ({
  netns,
  line: `add ${line}`,
  undo: { netns, line: `del ${line}` },
});

Deno.test("neighbouring steps in one place go out together, in order", async () => {
  const places = new Places();
  await runPlan(
    [step("a"), step("b"), step("c", "ns"), step("d", CALLER), step("e")],
    places.runnerOf,
  );
  assertEquals(places.log, [
    ...["[host]", "add a", "add b"],
    ...["[ns]", "add c"],
    ...["[caller]", "add d"],
    ...["[host]", "add e"],
  ]);
});

Deno.test("a failure undoes the steps that were done, last first, and no others", async () => {
  const places = new Places().refuse("add c");
  const steps = [
    step("a"),
    { line: "set a" },
    step("b", "ns"),
    step("c", "ns"),
    step("d", "ns"),
    step("e"),
  ];
  const error = await assertRejectsError(() => runPlan(steps, places.runnerOf), "ip-command");
  assertEquals(error.command, "ip add c");
  assertEquals(places.log, [
    ...["[host]", "add a", "set a"],
    // What was sent with the line that failed was done all the same.
    ...["[ns]", "add b", "add c", "add d"],
    ...["[ns]", "del d", "del b"],
    ...["[host]", "del a"],
  ]);
});

Deno.test("the first of several failures is reported", async () => {
  const places = new Places().refuse("add b", "first").refuse("add c", "second");
  const steps = [step("a"), step("b"), step("c")];
  const error = await assertRejectsError(() => runPlan(steps, places.runnerOf), "ip-command");
  assertEquals(error.reason, "first");
});

Deno.test("the meaning of a step's failure is thrown, which by default is that rights are missing", async () => {
  const places = new Places().refuse("add a", "Nonsense").refuse("add b", "Permission denied");
  const meaning = new IpvlanError("pool-not-found", { pool: "a" });
  const steps = [{ ...step("a"), explain: () => meaning }, step("b")];
  assertEquals(await assertRejects(() => runPlan(steps, places.runnerOf)), meaning);
  await assertRejectsError(() => runPlan([step("b")], places.runnerOf), "missing-rights");
});

Deno.test("when a process ends, all lines that it was sent are undone, as they may have run", async () => {
  const places = new Places().endOver("add c")
    .refuse("del c", 'Cannot find device "c"').refuse("del d", 'Cannot find device "d"');
  const steps = [step("a", "ns"), step("b"), step("c"), step("d"), step("e", "ns")];
  await assertRejectsError(() => runPlan(steps, places.runnerOf), "session-closed");
  assertEquals(places.log, [
    ...["[ns]", "add a"],
    ...["[host]", "add b", "add c", "add d"],
    ...["[host]", "del d", "del c", "del b"],
    ...["[ns]", "del a"],
  ]);
});

Deno.test("a step waits for an address that a dying namespace still has", async () => {
  const places = new Places().refuse(
    "add b",
    "Error: Address already assigned to an ipvlan device.",
    2,
  );
  await runPlan([step("a", "ns"), step("b", "ns"), step("c", "ns")], places.runnerOf);
  assertEquals(places.log, [
    ...["[ns]", "add a", "add b", "add c"],
    ...["[ns]", "add b", "add c"],
    ...["[ns]", "add b", "add c"],
  ]);
});

Deno.test("IPv6 is disabled before the burst that has the line, and not again when it is retried", async () => {
  const places = new Places();
  const asked: (readonly string[])[] = [];
  const runnerOf: RunnerOf = (place, _undoing, settings) => {
    asked.push(settings);
    return places.runnerOf(place);
  };
  const steps: Step[] = [
    { ...step("a", "ns"), settings: ["e-1"] },
    { ...step("b", "ns"), settings: ["e-2"] },
    step("c"),
  ];
  places.refuse("add b", "Error: Address already assigned to an ipvlan device.", 1);
  await runPlan(steps, runnerOf);
  assertEquals(asked, [["e-1", "e-2"], ["e-2"], []]);
});

Deno.test("what steps have begun is awaited together, before the next lines, and may undo the plan", async () => {
  const places = new Places();
  const log = (text: string) => () => Promise.resolve(void places.log.push(text));
  const failed = new IpvlanError("address-held", { address: "10.0.0.2", holder: "a machine" });
  const asking: Step[] = [
    { ...step("a"), awaits: log("await a") },
    { ...step("b"), awaits: log("await b") },
    step("c"),
  ];
  // A rehearsal waits for nothing.
  await runPlan(asking, places.runnerOf);
  const lines = places.log.splice(0);
  assertEquals(lines.filter((line) => line.startsWith("await")), []);
  await runPlan(asking, places.runnerOf, undefined, undefined, {});
  assertEquals(places.log.splice(0), [
    ...["[host]", "add a", "add b", "[host]", "await a", "await b", "[host]", "add c"],
  ]);
  // The first failure ends the other waits.
  const hanging: Step = {
    ...step("b"),
    awaits: (_runner, { signal }) =>
      new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  };
  const steps = [{ ...step("a"), awaits: () => Promise.reject(failed) }, hanging, step("c")];
  const error = await assertRejects(() =>
    runPlan(steps, places.runnerOf, undefined, undefined, {})
  );
  assertEquals(error, failed);
  assertEquals(places.log, ["[host]", "add a", "add b", "[host]", "[host]", "del b", "del a"]);
});

Deno.test("who holds an address is looked for once, after a second, and may end the wait", async () => {
  const held = "Error: Address already assigned to an ipvlan device.";
  const places = new Places().refuse("add b", held);
  const steps = [step("a", "ns"), { ...step("b", "ns"), gives: "10.0.0.2" }];
  const asked: string[] = [];
  const start = performance.now();
  const found = new IpvlanError("address-held", { address: "10.0.0.2", holder: "another link" });
  const whenHeld = (address: string) => {
    asked.push(address);
    return Promise.reject(found);
  };
  const error = await assertRejects(() => runPlan(steps, places.runnerOf, undefined, whenHeld));
  assertEquals([error, asked], [found, ["10.0.0.2"]]);
  const waited = performance.now() - start;
  assert(waited >= 1000, `${waited} ms`);
  assertEquals(places.log.slice(-2), ["[ns]", "del a"]);
});

Deno.test("sandboxes are made first, then the links in them, then what is done inside", () => {
  const steps = [step("a", CALLER), step("b", "ns"), step("c"), step("d", "ns"), step("e")];
  assertEquals(byPlace(steps).map(({ line }) => line), [
    ...["add a", "add c", "add e", "add b", "add d"],
  ]);
});

Deno.test("a missing namespace undoes the other steps", async () => {
  const places = new Places().remove("ns");
  const steps = [step("a"), step("b", "ns"), step("c")];
  await assertRejectsError(() => runPlan(steps, places.runnerOf), "namespace-not-found");
  assertEquals(places.log, ["[host]", "add a", "[ns]", "[host]", "del a"]);
});

Deno.test("the finish of a plan runs after its lines, and undoes them if it fails", async () => {
  const places = new Places();
  await runPlan([step("a")], places.runnerOf, () => void places.log.push("finish"));
  assertEquals(places.log.splice(0), ["[host]", "add a", "finish"]);
  const failure = new Error("no space left");
  const finish = () => Promise.reject(failure);
  assertEquals(
    await assertRejects(() => runPlan([step("a")], places.runnerOf, finish)),
    failure,
  );
  assertEquals(places.log.splice(0), ["[host]", "add a", "[host]", "del a"]);
  places.refuse("add a");
  const never = () => void places.log.push("finish");
  await assertRejectsError(() => runPlan([step("a")], places.runnerOf, never), "ip-command");
  assertEquals(places.log, ["[host]", "add a"]);
});

Deno.test("a step that cannot be undone is reported, and the others are undone", async () => {
  const places = new Places().refuse("add d").refuse("del b", "RTNETLINK answers: Device busy");
  const steps = [step("a"), step("b", "ns"), step("c"), step("d")];
  const error = await assertRejectsError(() => runPlan(steps, places.runnerOf), "not-undone");
  assertError(error.cause, "ip-command");
  assertEquals(
    error.message,
    "RTNETLINK answers: Invalid argument (ip add d); some changes could not be undone " +
      "(RTNETLINK answers: Device busy (ip del b)): run ipvlan restore",
  );
  assertEquals(places.log.slice(-6), ["[host]", "del c", "[ns]", "del b", "[host]", "del a"]);
});

Deno.test("undoing succeeds for what is gone already", async () => {
  for (
    const said of [
      'Cannot find device "a"',
      'Cannot remove "/run/netns/a": No such file or directory',
    ]
  ) {
    const places = new Places().refuse("add b").refuse("del a", said);
    const error = await assertRejects(() => runPlan([step("a"), step("b")], places.runnerOf));
    assert(isIpvlanError(error, "ip-command") && error.command === "ip add b", said);
  }
});
