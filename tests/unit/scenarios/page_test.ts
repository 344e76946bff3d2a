import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { toPage } from "../../../scenarios/kit/report/page.ts";
import { STATEMENT_IDS } from "../../../scenarios/kit/report/statements.ts";
import { FIXED_REPORT, LARGE_REPORT } from "../../kit/fixed_report.ts";

const PAGE = toPage(FIXED_REPORT, true);

function attributes(page: string, name: string): string[] {
  return [...page.matchAll(new RegExp(`<[a-z0-9]+[^>]*? ${name}="([^"]*)"`, "g"))]
    .map(([, value]) => value!);
}

Deno.test("a page shows names and outputs as text, whatever is in them", () => {
  assertEquals(PAGE.match(/<script/g)?.length, 1);
  assertEquals(PAGE.match(/<img/g)?.length, 2);
  assertEquals(PAGE.match(/ onerror="/g), null);
  // deno-lint-ignore no-control-regex
  assertEquals(/[\x00-\x08\x0b-\x1f\u202e]/.test(PAGE), false);
  assertStringIncludes(PAGE, "&#60;/pre&#62;&#60;script&#62;");
  assertStringIncludes(PAGE, "\\u001b[31m \\u202e \\u0000");
  // Every image is in the page, and what is in it cannot change the page.
  for (const source of attributes(PAGE, "src")) {
    assertStringIncludes(source, "data:image/svg+xml;base64,");
  }
});

Deno.test("no id is there twice, and each link and label has its target", () => {
  const ids = attributes(PAGE, "id");
  assertEquals(ids.filter((id, index) => ids.indexOf(id) !== index), []);
  const targets = [
    ...attributes(PAGE, "href").map((href) => href.replace(/^#/, "")),
    ...attributes(PAGE, "aria-labelledby"),
  ];
  assertEquals(targets.filter((target) => !ids.includes(target)), []);
  assert(targets.length > 10);
});

Deno.test("a page has each statement, its scenarios, what failed, and what the model did not foresee", () => {
  for (const id of STATEMENT_IDS) assertStringIncludes(PAGE, `<tr id="${id}">`);
  assertStringIncludes(PAGE, '<a href="#s0-0">l2</a>, <a href="#s0-2">l2</a>');
  assertStringIncludes(PAGE, "2 of 52 statements held");
  assertStringIncludes(
    PAGE,
    "1 did NOT hold, 49 not yet run, 3 scenarios, 2 of them failed, 3.5 s",
  );
  assertStringIncludes(
    PAGE,
    "Of 4 pairs, the model predicted 2, and 1 of these were seen otherwise",
  );
  assertStringIncludes(
    PAGE,
    "The model was asked before 4 pings of the checks: it predicted 4, and 1 of these were seen",
  );
  // What did not hold is open.
  assertEquals(PAGE.match(/<details open>/g)?.length, 1);
  const some = toPage(FIXED_REPORT, false);
  assertStringIncludes(some, "2 of 3 statements held");
  assertEquals(some.match(/<tr id=/g)?.length, 3);
});

Deno.test("a page needs no network, and is small enough", () => {
  assertEquals(PAGE.match(/(src|href)="(?!#|data:)/g), null);
  assertEquals(PAGE.match(/@import|url\(/g), null);
  assert(toPage(LARGE_REPORT, true).length < 3e6);
});
