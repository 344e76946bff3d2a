// The pages for users: that each is found, and that what they point at is there.
import { assert, assertEquals } from "@std/assert";
import { exists } from "../../lab/machine.ts";
import { readPage } from "../kit/pages.ts";

const PAGES = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "lab/README.md"],
  ...[...Deno.readDirSync("docs")].map(({ name }) => `docs/${name}`).filter((path) =>
    path.endsWith(".md")
  ),
];

/** The targets of a page's links, without those on the web. */
function links(page: string): string[] {
  return [...readPage(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target)
    .filter((target) => !target.includes("://"));
}

/** The anchor of a heading, as GitHub makes it. */
function anchor(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\- _]/gu, "").replaceAll(" ", "-");
}

Deno.test("every link of every page leads to a file, and to a heading in it", () => {
  const broken = PAGES.flatMap((page) =>
    links(page).filter((target) => {
      const [path, heading] = target.split("#");
      const file = path === "" ? page : new URL(path!, `file:///${page}`).pathname.slice(1);
      if (!exists(file)) return true;
      if (heading === undefined) return false;
      const headings = [...readPage(file).matchAll(/^#+ (.*)$/gm)];
      return !headings.some(([, text = ""]) => anchor(text) === heading);
    }).map((target) => `${page}: ${target}`)
  );
  assertEquals(broken, []);
});

Deno.test("each source file that a page names is there", () => {
  const missing = PAGES.flatMap((page) => {
    // On a page of a folder, a path may begin in that folder.
    const folder = page.includes("/") ? page.replace(/[^/]*$/, "") : "";
    return [...readPage(page).matchAll(/`((?!\/)[\w./+-]+\/[\w.+-]+\.ts)`/g)].map(([, path = ""]) =>
      path
    )
      .filter((path) => !path.includes("NAME") && ![path, folder + path].some(exists))
      .map((path) => `${page}: ${path}`);
  });
  assertEquals(missing, []);
});

Deno.test("the index leads to every page, and the README to each face on one screen", () => {
  const pages = PAGES.filter((page) => page.startsWith("docs/") && page !== "docs/README.md");
  const listed = new Set(links("docs/README.md"));
  assertEquals(pages.filter((page) => !listed.has(page.slice("docs/".length))), []);
  assert(readPage("README.md").split("\n").length <= 130);
});
