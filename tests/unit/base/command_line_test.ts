import { assertEquals } from "@std/assert";
import { type OptionForm, readCommandLine } from "../../../lib/base/command_line.ts";

const OPTIONS = [
  { name: "env", short: "e", value: "NAME=VALUE" },
  { name: "opt", short: "o", value: "NAME=VALUE" },
  { name: "detach", short: "d" },
  { name: "rm" },
  { name: "no-trunc" },
] as const;

/** What comes of a command line: the options that are given and the words, or what is wrong. */
function read(...typed: string[]): Record<string, unknown> | string[] {
  const { words, behind, problems, values, on } = readCommandLine(OPTIONS, typed);
  if (problems.length > 0) return problems;
  const valued = (["env", "opt"] as const).filter((name) => values(name).length > 0);
  const switched = (["detach", "rm", "no-trunc"] as const).filter((name) => on(name));
  return {
    ...Object.fromEntries(valued.map((name) => [name, values(name)])),
    ...Object.fromEntries(switched.map((name) => [name, true])),
    ...(words.length > 0 && { words }),
    ...(behind && { behind }),
  };
}

const GOOD: [typed: string[], outcome: Record<string, unknown>][] = [
  [[], {}],
  [["--env", "A=1"], { env: ["A=1"] }],
  [["--env=A=1"], { env: ["A=1"] }],
  [["-e", "A=1"], { env: ["A=1"] }],
  [["-eA=1"], { env: ["A=1"] }],
  [["-e=A=1"], { env: ["A=1"] }],
  [["-oparent=eth0.20"], { opt: ["parent=eth0.20"] }],
  [["-o", "mtu=1400", "-omtu=1500"], { opt: ["mtu=1400", "mtu=1500"] }],
  [["-e1"], { env: ["1"] }],
  [["-e-1"], { env: ["-1"] }],
  [["--env=--rm"], { env: ["--rm"] }],
  [["--env", "-"], { env: ["-"] }],
  [["--env=a\nb"], { env: ["a\nb"] }],
  [["--env=true", "--env", "0x10"], { env: ["true", "0x10"] }],
  [["-de", "A=1"], { detach: true, env: ["A=1"] }],
  [["-deA=1"], { detach: true, env: ["A=1"] }],
  [["-d", "true"], { detach: true, words: ["true"] }],
  [["--rm", "false"], { rm: true, words: ["false"] }],
  [["--no-trunc"], { "no-trunc": true }],
  [["--no-trunc=true"], { "no-trunc": true }],
  [["--no-trunc=false"], {}],
  [["--rm", "--rm=false"], {}],
  [["--rm=0", "--rm=1"], { rm: true }],
  [["-d=t"], { detach: true }],
  [["-d=F"], {}],
  [["a", "-", "", "1e3"], { words: ["a", "-", "", "1e3"] }],
  [["a", "--", "--rm", "--", "-x"], { words: ["a"], behind: ["--rm", "--", "-x"] }],
  [["--"], { behind: [] }],
];

for (const [typed, outcome] of GOOD) {
  Deno.test(`${JSON.stringify(typed)} is read as Docker reads it`, () => {
    assertEquals(read(...typed), outcome);
  });
}

const WRONG: [typed: string[], problems: string[]][] = [
  [["--nope"], ["There is no option --nope"]],
  [["--nope=1"], ['There is no option --nope, as in "--nope=1"']],
  [["--no-rm"], ["There is no option --no-rm"]],
  [["--no-detach"], ['There is no option --no-detach (did you mean "--detach"?)']],
  [["--toString"], ["There is no option --toString"]],
  [["--constructor"], ["There is no option --constructor"]],
  [["--__proto__=x"], ['There is no option --__proto__, as in "--__proto__=x"']],
  [["--rm.x"], ["There is no option --rm.x"]],
  [["--dtach"], ['There is no option --dtach (did you mean "--detach"?)']],
  [["-x"], ["There is no option -x"]],
  [["-dx"], ['There is no option -x, as in "-dx"']],
  [["-dname=x"], ['There is no option -n, as in "-dname=x"']],
  [["--=x"], ['There is no option --, as in "--=x"']],
  [["---rm"], ['There is no option ---rm (did you mean "--rm"?)']],
  [["--env"], ["The option --env needs a value: NAME=VALUE"]],
  [["--env="], ["The option --env needs a value: NAME=VALUE"]],
  [["--env", ""], ["The option --env needs a value: NAME=VALUE"]],
  [["-e="], ["The option --env needs a value: NAME=VALUE"]],
  [["--env", "--rm"], ["The option --env needs a value: NAME=VALUE"]],
  [["-e", "--", "x"], ["The option --env needs a value: NAME=VALUE"]],
  [["--rm=no"], ['The option --rm takes true or false, not "no"']],
  [["--rm="], ['The option --rm takes true or false, not ""']],
  [["-d=yes"], ['The option --detach takes true or false, not "yes"']],
  [["--rm=TrUe"], ['The option --rm takes true or false, not "TrUe"']],
  [["-x", "--rm=2", "--env", "-x"], [
    "There is no option -x",
    'The option --rm takes true or false, not "2"',
    "The option --env needs a value: NAME=VALUE",
  ]],
];

for (const [typed, problems] of WRONG) {
  Deno.test(`${JSON.stringify(typed)} is refused`, () => {
    assertEquals(read(...typed), problems);
  });
}

Deno.test("true and false are what Go's strconv.ParseBool takes", () => {
  for (const word of ["1", "t", "T", "true", "TRUE", "True"]) {
    assertEquals(read(`--rm=${word}`), { rm: true });
  }
  for (const word of ["0", "f", "F", "false", "FALSE", "False"]) {
    assertEquals(read("--rm", `--rm=${word}`), {});
  }
});

Deno.test("the first word ends the options, where they are to stop early", () => {
  const { words, behind, on } = readCommandLine(OPTIONS, ["-d", "sh", "--rm", "--", "-x"], true);
  assertEquals([words, behind, on("rm")], [["sh", "--rm", "--", "-x"], undefined, false]);
});

Deno.test("the last value of an option counts, and an option that there is not was not typed", () => {
  const form: readonly OptionForm[] = OPTIONS;
  const { value, values, on } = readCommandLine(form, ["-e", "A=1", "-e", "B=2", "-o", "mtu=9"]);
  assertEquals([value("env"), value("opt")], ["B=2", "mtu=9"]);
  assertEquals([value("nope"), values("nope"), on("nope"), on("nope", true)], [
    ...[undefined, [], false, true],
  ]);
});
