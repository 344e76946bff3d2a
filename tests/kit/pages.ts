// The pages for users, whose lines the tests run.

/** Reads a page, by its path in the checkout. */
export function readPage(path: string): string {
  return Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
}

/** The blocks of code on a page that are in a language. */
export function blocks(path: string, language: string): string[] {
  const fenced = new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm");
  return [...readPage(path).matchAll(fenced)].map(([, text = ""]) => text);
}

/** The first shell lines on a page, which set it up. */
export function firstLines(path: string): string {
  return blocks(path, "sh")[0]!;
}
