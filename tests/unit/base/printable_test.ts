import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { printable, printableLine, quoted, shellLine } from "../../../lib/base/printable.ts";

/** Any text, with many of the characters that matter. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      "\n",
      "\t",
      "\r",
      "\x1b",
      "\x00",
      "\x7f",
      "\x9b",
      "\u202e",
      "\u2066",
      "\\",
      '"',
    ),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  ),
});
const options = { seed: 8, numRuns: 2_000 };

Deno.test("control characters are printed as escapes", () => {
  assertEquals(
    printable("a\x1b[2Kb\rc\x7f\x9b1m\u202ed\u2069"),
    "a\\u001b[2Kb\\u000dc\\u007f\\u009b1m\\u202ed\\u2069",
  );
  assertEquals(printable("grün\n\t→ 一 😀\u00a0"), "grün\n\t→ 一 😀\u00a0");
  assertEquals(printableLine("x\ny"), "x\\ny");
});

Deno.test("no text keeps a control character", () => {
  fc.assert(
    fc.property(text, (text) => {
      for (const character of printable(text)) {
        const code = character.codePointAt(0)!;
        const isControl = (code < 0x20 && character !== "\n" && character !== "\t") ||
          (code >= 0x7f && code <= 0x9f) ||
          (code >= 0x202a && code <= 0x202e) ||
          (code >= 0x2066 && code <= 0x2069);
        assert(!isControl, code.toString(16));
      }
      assertEquals(printable(printable(text)), printable(text));
      assert(!printableLine(text).includes("\n"));
    }),
    options,
  );
});

Deno.test("escaping leaves the value of a JSON text unchanged", () => {
  fc.assert(
    fc.property(fc.dictionary(text, text), (value) => {
      const json = JSON.stringify(value, null, 4);
      assertEquals(JSON.parse(printable(json)), JSON.parse(json));
    }),
    options,
  );
});

Deno.test("a word is quoted where it is not plain, and can be read back", () => {
  assertEquals(["eth0.20", "a=b", "10.0.0.0/24"].map(quoted), ["eth0.20", "a=b", "10.0.0.0/24"]);
  assertEquals(quoted("x\n\x1b[2Kdone"), '"x\\n\\u001b[2Kdone"');
  assertEquals([quoted(""), quoted("a b")], ['""', '"a b"']);
  fc.assert(
    fc.property(text, (word) => {
      const shown = quoted(word);
      assert(!shown.includes("\n"));
      assertEquals(shown === word ? word : JSON.parse(shown), word);
    }),
    options,
  );
});

Deno.test("a shell reads each value of a command line as one word", async () => {
  const words = ["eth0", "a$(id)", "it's", "a b", "", "`id`", "*", "\\", '"', "a\nb", "$HOME;"];
  for (const word of words) {
    const args = ["-c", shellLine`printf %s ${word}`];
    const { stdout } = await new Deno.Command("sh", { args }).output();
    assertEquals(new TextDecoder().decode(stdout), word);
  }
});
