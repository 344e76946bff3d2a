import { assert, assertEquals } from "@std/assert";
import { COMMANDS, findCommand } from "../../../lib/cli/commands.ts";
import { complete } from "../../../lib/cli/help.ts";
import { ipvlan } from "../../kit/command.ts";
import { main } from "../../../lib/cli/main.ts";

/** What every object has, and no command is called. */
const INHERITED = ["constructor", "toString", "__proto__", "hasOwnProperty"];

Deno.test("a command is one of the table, and nothing that every object has", async () => {
  assert(findCommand("network create")?.load === COMMANDS["network create"]?.load);
  const none = () => Promise.resolve([]);
  const names = { NETWORK: () => [], SANDBOX: () => [], HOST: none, LINK: none };
  for (const name of INHERITED) {
    assertEquals(findCommand(name), undefined);
    assertEquals(await complete([name, ""], names), []);
  }
});

Deno.test("a command may have others below it", async () => {
  assertEquals((await ipvlan("cni", "--help")).out.split("\n")[0], "Usage: ipvlan cni");
  assertEquals((await ipvlan("agent", "uninstall", "--print-unit")).err.split("\n"), [
    "ipvlan: There is no option --print-unit",
    'ipvlan: See "ipvlan agent uninstall --help"',
  ]);
  const none = () => [];
  const names = { NETWORK: none, SANDBOX: none, HOST: none, LINK: none };
  assertEquals(await complete(["agent", ""], names), ["install", "uninstall"]);
  assertEquals(await complete(["agent", "--hosts"], names), ["--hosts-file"]);
});

const UNKNOWN: [typed: string, named: string, meant?: string][] = [
  ["prune", "prune", "network prune"],
  ["netwrok ls", "netwrok", "network ls"],
  ["netwrok", "netwrok", "network"],
  ["inspct x", "inspct", "inspect"],
  ["network crate", "network crate", "network create"],
  ["network zzz", "network zzz"],
  ["docker instal", "docker instal", "docker install"],
  ["cni instal", "cni instal", "cni install"],
  ["agent zzz", "agent zzz"],
  ["--hlep", "--hlep", "--help"],
  ["-x", "-x"],
  ["zzz", "zzz"],
];

for (const [typed, named, meant] of UNKNOWN) {
  Deno.test(`"${typed}" is ${meant === undefined ? "no command" : `likely "${meant}"`}`, async () => {
    const hint = meant === undefined ? "" : ` (did you mean "${meant}"?)`;
    const { status, err } = await ipvlan(...typed.split(" "));
    const [first] = err.split("\n");
    assertEquals([status, first], [2, `ipvlan: There is no command "${named}"${hint}`]);
  });
}

Deno.test("a command that does not exist is a wrong command line", async () => {
  const { error } = console;
  const lines: string[] = [];
  console.error = (line) => lines.push(line);
  try {
    for (const name of INHERITED) {
      assertEquals(await main([name]), 2);
      assertEquals(lines.shift()?.startsWith(`ipvlan: There is no command "${name}"`), true);
      lines.length = 0;
    }
  } finally {
    console.error = error;
  }
});

Deno.test("with --json, an error is an array of its problems, with code and fields", async () => {
  const printed: string[] = [];
  const { error } = console;
  console.error = (text: string) => printed.push(text);
  try {
    assertEquals(await main(["ps", "--json", "--filter", "colour=red"]), 1);
  } finally {
    console.error = error;
  }
  const [problem, ...others] = JSON.parse(printed.join("\n"));
  assertEquals([problem.code, problem.value, others], ["invalid-option", "colour=red", []]);
});

Deno.test("a time that is none is said at once, without a network", async () => {
  const printed: string[] = [];
  const { error } = console;
  console.error = (text: string) => printed.push(text);
  const times = ["tomorrow", "24", "1h x", "-1h"];
  try {
    for (const time of times) {
      assertEquals(await main(["address", "reserve", `--for=${time}`, "n", "db"]), 1);
    }
  } finally {
    console.error = error;
  }
  assertEquals(
    printed,
    times.map((time) => `ipvlan: The time "${time}" is not valid: give it such as 24h or 1h30m`),
  );
});
