import { assertEquals, assertMatch } from "@std/assert";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import type { Command } from "../../../lib/cli/command.ts";
import { commandHelp, groupHelp } from "../../../lib/cli/help.ts";
import { optionsOf, parseArguments } from "../../../lib/cli/options.ts";
import { readPairs } from "../../../lib/cli/option_values.ts";
import { attempt, type IpvlanError } from "../../../lib/base/errors.ts";
import { didYouMean } from "../../../lib/base/suggest.ts";
import { table } from "../../../lib/cli/docker/list.ts";
import { assertThrowsError } from "../../kit/errors.ts";

const command: Command = {
  usage: "[OPTIONS] NETWORK",
  example: "",
  options: {
    "--subnet PREFIX...": "",
    "-o, --opt NAME=VALUE...": "",
    "--internal": "",
    "-i, --interactive": "",
    "-t, --tty": "",
  },
  run: () => Promise.resolve(0),
};
const parse = (...typed: string[]) => parseArguments("ipvlan x", command, typed);

Deno.test("an option's value follows it or an equals sign, and may be given several times", () => {
  const words = parse("--subnet=10.0.0.0/24", "--subnet", "fd00::/64", "-o", "parent=eth0.20", "n");
  assertEquals(words.values("subnet"), ["10.0.0.0/24", "fd00::/64"]);
  assertEquals(words.values("opt"), ["parent=eth0.20"]);
  assertEquals(words.positionals, ["n"]);
});

Deno.test("an option without a value is on or off, and short ones may be written together", () => {
  const words = parse("-it", "n", "--internal=false");
  assertEquals(["interactive", "tty", "internal"].map((name) => words.on(name)), [
    true,
    true,
    false,
  ]);
});

Deno.test("true, false and numbers stay words, also after a switch", () => {
  for (const before of ["--internal", "-t", "-it"]) {
    const words = parse(before, "true");
    assertEquals([words.positionals, words.on("internal") || words.on("tty")], [["true"], true]);
    assertEquals(parse("--subnet", "true", before, "false").positionals, ["false"]);
  }
  const runs: Command = { ...command, stopEarly: true, usage: "WORD [WORD...]" };
  const run = (...typed: string[]) => parseArguments("ipvlan x", runs, typed).positionals;
  assertEquals(run("--internal", "true", "--internal", "true"), ["true", "--internal", "true"]);
  assertEquals(run("-o", "x", "sh", "-i", "false"), ["sh", "-i", "false"]);
  assertEquals(run("-t", "--", "true"), ["true"]);
  assertEquals(parse("0123").positionals, ["0123"]);
  assertEquals(parse("--", "--subnet").positionals, ["--subnet"]);
  assertEquals(parse("1e3").positionals, ["1e3"]);
});

const WRONG: [typed: string[], messages: string[]][] = [
  [["--subnett=1", "n"], [
    'There is no option --subnett (did you mean "--subnet"?), as in "--subnett=1"',
  ]],
  [["-x", "n"], ["There is no option -x"]],
  [["--a\nb", "n"], [String.raw`There is no option "--a\nb"`]],
  [["n", "--subnet"], ["The option --subnet needs a value: PREFIX"]],
  [["n", "--subnet="], ["The option --subnet needs a value: PREFIX"]],
  [["n", "--subnet", "--internal"], ["The option --subnet needs a value: PREFIX"]],
  [[], ["Missing argument: ipvlan x [OPTIONS] NETWORK"]],
  [["n", "m", "o"], ['Too many arguments, from "m" on']],
  [["--nope", "--nada=1", "n", "m"], [
    "There is no option --nope",
    'There is no option --nada, as in "--nada=1"',
  ]],
];

for (const [typed, messages] of WRONG) {
  Deno.test(`all problems of "${typed.join(" ")}" are reported at once`, () => {
    const error = assertThrowsError(() => parse(...typed), "usage");
    assertEquals(error.message.split("\n"), [...messages, 'See "ipvlan x --help"']);
  });
}

Deno.test("a command's own options are left alone behind its first word", () => {
  const stopping = { ...command, stopEarly: true, usage: "[WORD...]" };
  const { positionals } = parseArguments("ipvlan x", stopping, [
    "-i",
    "ls",
    "-l",
    "--nope",
    "--",
    "-i",
  ]);
  assertEquals(positionals, ["ls", "-l", "--nope", "--", "-i"]);
  assertEquals(parseArguments("ipvlan x", stopping, ["--", "ls", "-l"]).positionals, ["ls", "-l"]);
});

Deno.test("the usage line says how many words there may be", () => {
  const counts: [usage: string, least: number, most: number][] = [
    ["", 0, 0],
    ["[OPTIONS]", 0, 0],
    ["[DIR]", 0, 1],
    ["[OPTIONS] NETWORK SANDBOX", 2, 2],
    ["[OPTIONS] SANDBOX [SANDBOX...]", 1, 9],
    ["[OPTIONS] SANDBOX COMMAND [WORD...]", 2, 9],
    ["[OPTIONS] [--] [COMMAND [WORD...]]", 0, 9],
  ];
  for (const [usage, least, most] of counts) {
    const takes = (count: number) =>
      attempt(() => parseArguments("ipvlan x", { ...command, usage }, Array(count).fill("w"))).ok;
    const taken = Array.from({ length: 10 }, (_, count) => count).filter(takes);
    assertEquals([usage, taken.at(0), taken.at(-1)], [usage, least, most]);
  }
});

Deno.test("a close word is suggested, a far one is not", () => {
  assertEquals(didYouMean("crate", ["create", "rm"]), ' (did you mean "create"?)');
  assertEquals(didYouMean("netwrok", ["network"]), ' (did you mean "network"?)');
  assertEquals(didYouMean("insp", ["inspect"]), ' (did you mean "inspect"?)');
  assertEquals(didYouMean("zzz", ["create", "rm"]), "");
});

Deno.test("of one letter or two, no other word is suggested", () => {
  for (const typed of ["x", "c", "c2", "rn", ""]) {
    assertEquals(didYouMean(typed, ["c1", "rm", "exec", "create", "x1"]), "", typed);
  }
  assertEquals(didYouMean("ex", ["exec"]), ' (did you mean "exec"?)');
});

Deno.test("pairs are read, and every invalid pair is reported", () => {
  const problems: IpvlanError[] = [];
  const labels = readPairs("label", ["a=1", "b", "c=x=y"], false, problems);
  assertEquals([labels, problems], [{ a: "1", b: "", c: "x=y" }, []]);
  readPairs("auxiliary address", ["=1", "a", "b=1", "b=2"], true, problems);
  assertEquals(problems.map(({ message }) => message), [
    'The auxiliary address "=1" is not valid: write NAME=VALUE',
    'The auxiliary address "a" is not valid: write NAME=VALUE',
    'The auxiliary address "b=2" is not valid: "b" is given twice',
  ]);
});

Deno.test("a table's columns are as wide as their widest cell", () => {
  assertEquals(table(["A", "B"], [["long", ""], ["x", "y"]]), "A      B\nlong\nx      y");
});

Deno.test("every command has help with an example, and no option twice", async () => {
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = await load();
    const help = commandHelp(name, summary, command);
    assertEquals(help.startsWith(`Usage: ipvlan ${name}`), true, name);
    assertEquals(command.example.startsWith(`ipvlan ${name}`), true, name);
    const names = optionsOf(command).flatMap(({ name, short }) => short ? [name, short] : [name]);
    assertEquals(new Set(names).size, names.length, name);
    for (const { name, value } of optionsOf(command)) {
      // "parseArgs" reads "a.b" as an object, and "--no-a=VALUE" as the value of "a".
      assertMatch(name, value === undefined ? /^[a-z][a-z0-9-]*$/ : /^(?!no-)[a-z][a-z0-9-]*$/);
    }
  }
  assertEquals(groupHelp("network").includes("create"), true);
});

Deno.test("no help is wider than a terminal of 80 columns, but for a word that is", async () => {
  const groups = ["", "network", "docker"].map(groupHelp);
  const commands = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, { summary, load }]) =>
      commandHelp(name, summary, await load())
    ),
  );
  // A line to be pasted stays one line.
  const wide = [...groups, ...commands].flatMap((text) => text.split("Example:")[0]!.split("\n"))
    .filter((line) => line.length > 80 && line.trim().includes(" "));
  assertEquals(wide, []);
});
