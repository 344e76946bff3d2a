import { assertEquals } from "@std/assert";
import type { Driver } from "../../../lib/driver/mod.ts";
import { CONTENT_LABEL, FILE_LABEL, siteLabels, sourceOf } from "../../../lib/site/labels.ts";
import { apply, type ApplyOptions, destroy, parseSite } from "../../../lib/site/mod.ts";
import { assertRejectsError } from "../../kit/errors.ts";
import { network } from "../../kit/values.ts";

/** A driver that is made up, with one network of the site "web". It keeps what it removes. */
function madeUp(file?: string) {
  const removed: string[] = [];
  const source = file === undefined ? undefined : { path: file, content: file };
  const labels = siteLabels({ name: "web", source });
  const driver = {
    sequence: (run: () => Promise<unknown>) => run(),
    recover: () => Promise.resolve([]),
    runningSandboxes: () => Promise.resolve([]),
    listNetworks: () => removed.length > 0 ? [] : [network("n", { labels })],
    listSandboxes: () => [],
    removeNetwork: (name: string) => Promise.resolve(removed.push(name)),
  } as unknown as Driver;
  return { driver, removed };
}

const NOTHING = parseSite("web.yaml", "{}");

Deno.test("what removes something needs consent: of all changes, or of these very lines", async () => {
  const CASES: [options: ApplyOptions, removes: boolean][] = [
    [{}, false],
    [{ yes: false }, false],
    [{ yes: [] }, false],
    [{ yes: ["- network other"] }, false],
    [{ yes: ["- network n", "- network other"] }, true],
    [{ yes: true }, true],
    // Nothing is changed on a dry run.
    [{ dryRun: () => {} }, true],
  ];
  for (const [options, removes] of CASES) {
    const { driver, removed } = madeUp();
    if (removes) {
      assertEquals((await apply(driver, NOTHING, options)).changes, ["- network n"]);
    } else {
      const error = await assertRejectsError(() => apply(driver, NOTHING, options), "consent");
      assertEquals(error.changes, ["- network n"]);
    }
    assertEquals(removed, removes ? ["n"] : []);
  }
});

Deno.test("to destroy a site is consent, unless another file has made it", async () => {
  const own = madeUp();
  await destroy(own.driver, "web");
  assertEquals(own.removed, ["n"]);
  const foreign = madeUp("/srv/web.yaml");
  const error = await assertRejectsError(() => destroy(foreign.driver, "web"), "consent");
  assertEquals(error.changes, ["- network n: belongs to /srv/web.yaml"]);
  await destroy(foreign.driver, "web", { yes: true });
  assertEquals(foreign.removed, ["n"]);
});

Deno.test("a signal that was sent before ends a change before its first step", async () => {
  const { driver, removed } = madeUp();
  const stoppable = { ...driver, withSignal: () => driver } as Driver;
  const signal = AbortSignal.abort();
  await assertRejectsError(
    () => apply(stoppable, NOTHING, { yes: true, keep: true, signal }),
    "interrupted",
  );
  assertEquals(removed, []);
});

Deno.test("labels name a file by its path and its content, or none", () => {
  const source = { path: "/web.yaml", content: "0123" };
  assertEquals(sourceOf(siteLabels({ name: "web", source })), source);
  assertEquals(sourceOf({ [FILE_LABEL]: source.path }), undefined);
  assertEquals(sourceOf({ [CONTENT_LABEL]: source.content }), undefined);
});
