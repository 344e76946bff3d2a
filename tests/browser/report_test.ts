// The page of a report in a browser: for eyes, for keys, and for screen readers.
import { assert, assertEquals } from "@std/assert";
import axe from "axe-core";
import { pathToFileURL } from "node:url";
import { toPage } from "../../scenarios/kit/report/page.ts";
import { FIXED_REPORT } from "../kit/fixed_report.ts";
import { temporaryFolder } from "../kit/worlds.ts";
import { Browser } from "./browser.ts";

/** The window's widths, in pixels: of a desk, and of a phone. */
const WIDTHS = [1280, 500];

/** A report to look at in place of the made-up one, and a folder for pictures of it. */
const [report, pictures] = ["IPVLAN_REPORT", "IPVLAN_PICTURES"].map((name) => Deno.env.get(name));

async function withPage(test: (browser: Browser, url: string) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/report.html`;
  await Deno.writeTextFile(
    file,
    report === undefined ? toPage(FIXED_REPORT, true) : await Deno.readTextFile(report),
  );
  await using browser = await Browser.start();
  const url = pathToFileURL(file).href;
  await browser.open(url);
  await test(browser, url);
}

Deno.test("in light and dark, wide and narrow, the page has no fault of roles, names or contrast", () =>
  withPage(async (browser) => {
    await browser.evaluate(axe.source);
    for (const width of WIDTHS) {
      for (const colours of ["light", "dark"] as const) {
        await browser.show(width, colours);
        const faults = await browser.evaluate<string[]>(`axe.run().then(({ violations }) =>
          violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join("; ")))`);
        assertEquals(faults, [], `${width} ${colours}`);
        assert(await browser.evaluate("document.documentElement.scrollWidth <= innerWidth"));
        if (pictures !== undefined) {
          await Deno.mkdir(pictures, { recursive: true });
          const file = `${pictures}/report-${width}-${colours}.png`;
          await Deno.writeFile(file, await browser.screenshot());
        }
      }
    }
  }));

Deno.test("the page asks for nothing but itself", () =>
  withPage(async (browser, url) => {
    assertEquals(browser.requests.filter((each) => !each.startsWith("data:")), [url]);
    // The made-up report has names that would set it.
    assert(await browser.evaluate("document.title !== 'run'"));
  }));

Deno.test("evidence unfolds by a click and by a key, and all of it by the button", () =>
  withPage(async (browser) => {
    const closed = () =>
      browser.evaluate<number>("document.querySelectorAll('details:not([open])').length");
    const all = await closed();
    assert(all > 1);
    await browser.evaluate("document.querySelector('details:not([open]) summary').click()");
    assertEquals(await closed(), all - 1);
    await browser.evaluate("document.querySelector('details:not([open]) summary').focus()");
    await browser.press("Enter");
    assertEquals(await closed(), all - 2);
    await browser.evaluate("document.querySelector('button').click()");
    assertEquals(await closed(), 0);
  }));

Deno.test("the first key leads past the lists, and what it leads to is there", () =>
  withPage(async (browser) => {
    await browser.press("Tab");
    assertEquals(await browser.evaluate("document.activeElement.className"), "skip");
    await browser.press("Enter");
    assert(await browser.evaluate("document.querySelector(location.hash) !== null"));
  }));
