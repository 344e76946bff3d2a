import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  batchArgs,
  commandOf,
  inputOf,
  type Outcome,
  outcomesOf,
} from "../../../lib/iproute2/batch.ts";
import type { Ending } from "../../../lib/iproute2/shell.ts";
import { printedFor, type Reply } from "../../kit/fake_ip.ts";

interface ModelLine {
  isQuery: boolean;
  reply: Reply;
}

const reply: fc.Arbitrary<Reply> = fc.oneof(
  fc.constant({}),
  fc.array(fc.record({ name: fc.string() }), { maxLength: 3 })
    .map((rows) => ({ out: JSON.stringify(rows) })),
  fc.constantFrom("No way.", "Warning: Odd.\nNo way.", "").map((refused) => ({ refused })),
  fc.constantFrom("Error: no.", "").map((fatal) => ({ fatal })),
);
const lines: fc.Arbitrary<ModelLine[]> = fc.array(
  fc.record({ isQuery: fc.boolean(), reply }),
  { minLength: 1, maxLength: 12 },
);

/** What a program that works makes of the lines, or that ends over one of them. */
function modelOf(lines: readonly ModelLine[], force: boolean): (string | unknown[])[] {
  const isStop = ({ refused, fatal }: Reply) =>
    fatal !== undefined || (!force && refused !== undefined);
  const stop = lines.findIndex(({ reply }) => isStop(reply));
  return lines.map(({ isQuery, reply }, index) => {
    if (stop >= 0 && index > stop) return "not run";
    if (reply.refused !== undefined || reply.fatal !== undefined) return "error";
    return isQuery && reply.out !== undefined ? JSON.parse(reply.out) : [];
  });
}

/** Runs the lines by a program that works, and reads what it printed after some damage. */
function run(
  model: readonly ModelLine[],
  force: boolean,
  damage: (output: Ending) => Ending = (output) => output,
): Outcome[] {
  const program = { program: "ip", netns: "red", force } as const;
  const lines = model.map(({ isQuery }, i) => ({ line: `l ${i}`, isQuery }));
  const replies = Object.fromEntries(model.map(({ reply }, i) => [`l ${i}`, reply]));
  const ending = printedFor(inputOf(program, lines), replies, force);
  return outcomesOf(program, lines, damage(ending));
}

/** What became of a line, in a form to compare. */
function shown(outcome: Outcome): string | unknown[] {
  if (outcome === "not run") return outcome;
  return "error" in outcome ? "error" : outcome.rows;
}

Deno.test("a line is shown as a shell reads the same words", () => {
  const shown = (line: string) => commandOf({ program: "ip", netns: "c1" }, line);
  assertEquals(shown("link set dev eth0 up"), "ip -n c1 link set dev eth0 up");
  assertEquals(shown('link set dev eth0 alias "a b"'), 'ip -n c1 link set dev eth0 alias "a b"');
  assertEquals(shown("link del dev a$(id)"), "ip -n c1 link del dev 'a$(id)'");
  assertEquals(
    shown('link set dev x alias "$(id) it\'s"'),
    "ip -n c1 link set dev x alias " +
      "'$(id) it'\\''s'",
  );
});

Deno.test("each line has the outcome that the program gave it", () => {
  fc.assert(
    fc.property(lines, fc.boolean(), (model, force) => {
      const outcomes = run(model, force);
      assertEquals(outcomes.map(shown), modelOf(model, force));
    }),
    { seed: 8, numRuns: 1000 },
  );
});

/** Cuts text off at a place from 0 (all of it) to 1 (none). */
function cut(printed: readonly string[], place: number): string[] {
  const text = printed.map((line) => `${line}\n`).join("");
  return text.slice(0, Math.floor(text.length * place)).split("\n").filter((line) => line !== "");
}

/** The status of a program that SIGKILL ended, so that its output may be cut off. */
const KILLED = 137;

Deno.test("truncated output and garbage give no wrong outcome", () => {
  let errors = 0;
  const place = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(lines, fc.boolean(), place, place, place, (model, force, inOut, inErr, at) => {
      const expected = modelOf(model, force);
      const damages: ((output: Ending) => Ending)[] = [
        (output) => ({ ...output, out: cut(output.out, inOut) }),
        (output) => ({ ...output, err: cut(output.err, inErr) }),
        (output) => ({ ...output, out: cut(output.out, inOut), err: cut(output.err, inErr) }),
        (output) => ({
          ...output,
          out: output.out.toSpliced(Math.floor(output.out.length * at), 0, "[{garbage"),
        }),
        () => ({ code: 0, out: ["garbage"], err: [] }),
      ];
      for (const damage of damages) {
        const damaged = (output: Ending) => ({ ...damage(output), code: KILLED });
        for (const [index, outcome] of run(model, force, damaged).map(shown).entries()) {
          if (outcome === "error") errors++;
          else assertEquals(outcome, expected[index]);
        }
      }
    }),
    { seed: 8, numRuns: 1000 },
  );
  assert(errors > 1000);
});

Deno.test("the answer to a mark is distinguished from the same answer to a query", () => {
  const answerTo = (out: string[]) => {
    const program = { program: "ip", force: false } as const;
    const err = ["Unknown.", "Command failed -:4"];
    const lines = [{ line: "route show table all", isQuery: true }];
    return outcomesOf(program, lines, { code: 1, out, err })[0]!;
  };
  const local = '"type":"local","dst":"0.0.0.0","dev":"lo"';
  const mark = `[{${local},"cache":["local"]}]`;
  const routes = `[{${local},"table":"5"},{${local},"cache":["local"]}]`;
  assertEquals(answerTo([mark, routes, mark]), { rows: JSON.parse(routes) });
  assertEquals(answerTo([mark, `[{${local}}]`, mark]), { rows: JSON.parse(`[{${local}}]`) });
});

Deno.test("the words of a program say where it acts, and whether it goes on after a failure", () => {
  const table = [
    [{ program: "ip", force: false }, "-details -json -batch -"],
    [{ program: "ip", force: true, netns: "red" }, "-n red -details -json -force -batch -"],
    [{ program: "bridge", force: true }, "-statistics -json -force -batch -"],
  ] as const;
  for (const [program, words] of table) assertEquals(batchArgs(program).join(" "), words);
});

Deno.test("each line is between two marks, and a line of IPv6 is alone without one", () => {
  const program = { program: "ip", force: true } as const;
  const asked = ["-6 rule show", "link show"].map((line) => ({ line, isQuery: true }));
  const mark = "route get 0.0.0.0";
  assertEquals(inputOf(program, asked.slice(1)), [mark, "link show", mark, "end-of-burst"]);
  assertEquals(inputOf(program, asked), ["rule show"]);
  assertEquals(commandOf({ program: "ip" }, " "), "ip");
});
