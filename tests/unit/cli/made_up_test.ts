// Commands with a driver that is made up: what they ask of it, and what they print of its answers.
import { assertEquals } from "@std/assert";
import { attempt, IpvlanError } from "../../../lib/base/errors.ts";
import type { Command, Context } from "../../../lib/cli/command.ts";
import { findCommand } from "../../../lib/cli/commands.ts";
import { readSignal } from "../../../lib/cli/commands/sandbox.ts";
import { readAccess, readCount } from "../../../lib/cli/option_values.ts";
import { commandHelp } from "../../../lib/cli/help.ts";
import { parseArguments } from "../../../lib/cli/options.ts";
import { inEnv } from "../../kit/processes.ts";

/** Runs a command line. Returns its status, and the lines that it prints; an error is one, too. */
async function run(typed: string, driver: object = {}): Promise<[status: number, ...string[]]> {
  const words = typed.split(" ");
  const [name, rest] = findCommand(words[0]!)
    ? [words[0]!, words.slice(1)]
    : [words.slice(0, 2).join(" "), words.slice(2)];
  const command = await findCommand(name)!.load();
  const printed: string[] = [];
  const print = (text: string) => void printed.push(...text.split("\n"));
  const args = parseArguments(`ipvlan ${name}`, command, rest);
  const context = {
    command: `ipvlan ${name}`,
    open: () => Promise.resolve({ ...driver, [Symbol.asyncDispose]: () => Promise.resolve() }),
    print,
    printColoured: print,
    write: (bytes: Uint8Array) => print(new TextDecoder().decode(bytes).replaceAll("\n", "$")),
    warn: (line: string) => print(`! ${line}`),
    dryRun: args.on("dry-run"),
    interrupted: new AbortController().signal,
  } as unknown as Context;
  try {
    return [await command.run(args, context) ?? 0, ...printed];
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
    return [1, ...printed, ...error.message.split("\n").map((line) => `! ${line}`)];
  }
}

const LOGS: [tail: string, output: string, shown: string][] = [
  ["2", "a\nb\nc\n", "b$c$"],
  ["2", "a\nb\nc", "b$c"],
  ["1", "a\n\n\n", "$"],
  ["2", "\n\n\n", "$$"],
  ["3", "\n\n\n", "$$$"],
  ["1", "\n", "$"],
  ["1", "a", "a"],
  ["1", "ab", "ab"],
  ["1", "a\n", "a$"],
  ["1", "a\nb", "b"],
  ["1", "\nab\n", "ab$"],
  ["0", "a\nb\n", ""],
  ["9", "a\nb\n", "a$b$"],
  ["all", "a\nb\n", "a$b$"],
  ["1", "", ""],
];

for (const [tail, output, shown] of LOGS) {
  Deno.test(`the last ${tail} lines of ${JSON.stringify(output)} are ${JSON.stringify(shown)}`, async () => {
    const bytes = new TextEncoder().encode(output);
    assertEquals(await run(`logs -n ${tail} c`, { output: () => bytes }), [0, shown]);
  });
}

Deno.test("logs follows with all that comes, and takes no tail that is no number", async () => {
  const encoder = new TextEncoder();
  const followOutput = async function* () {
    yield await Promise.resolve(encoder.encode("a\nb\n"));
    yield encoder.encode("c\nd\n");
  };
  assertEquals(await run("logs -fn 1 c", { followOutput }), [0, "b$", "c$d$"]);
  const error = '! The tail "x" is not valid: give a number of lines, or all';
  assertEquals(await run("logs -n x c"), [1, error]);
});

Deno.test("restore waits for as long as it was told, at most a day", async () => {
  const restore = (seconds: number) =>
    Promise.resolve({
      undone: [`waited ${seconds}`],
      notices: [],
      networks: ["n"],
      sandboxes: [],
      missing: [],
    });
  const done = "1 network(s) and 0 sandbox(es) are there";
  assertEquals(await run("restore", { restore }), [0, "! waited 0", done]);
  assertEquals(await run("restore --wait 1.5", { restore }), [0, "! waited 1.5", done]);
  assertEquals(await run("restore --wait 86400", { restore }), [0, "! waited 86400", done]);
  assertEquals(await run("restore --wait 9 --dry-run", { restore }), [0, "! waited 0"]);
  for (const wait of ["86401", "1.", "x", "-1"]) {
    const rule = "give a number of seconds, up to a day (86400)";
    const error = `! The wait "${wait}" is not valid: ${rule}`;
    assertEquals(await run(`restore --wait=${wait}`), [1, error]);
  }
});

Deno.test("host ls sums the addresses of all subnets, and takes a template", async () => {
  const counts = { "10.0.0.0/24": 2, "10.1.0.0/24": 3 };
  const host = { id: "f00", name: "rack3", copies: ["f01", "f02"], prefix: "/ipvlan" };
  const driver = {
    listHosts: () => [
      { ...host, isAlive: true, claims: counts, kept: { "10.0.0.0/24": 1 } },
      { ...host, id: "f09", isAlive: false, claims: {}, kept: {} },
    ],
    damagedKeys: () => ["a key is damaged"],
  };
  assertEquals(await run("host ls", driver), [
    0,
    "HOST ID   NAME    AGENT     ADDRESSES   KEPT   COPIES    PREFIX",
    "f00       rack3   running   5           1      f01,f02   /ipvlan",
    "f09       rack3   silent    0           0      f01,f02   /ipvlan",
    "! a key is damaged",
  ]);
  const [, ...lines] = await run("host ls --format {{.ID}}:{{.Addresses}}", driver);
  assertEquals(lines, ["f00:5", "f09:0", "! a key is damaged"]);
});

Deno.test("advertise lists routes, or prints a configuration, and mixes none of their options", async () => {
  const advertisedRoutes = () => [
    { dst: "10.0.0.0/24", kind: "subnet", network: "n", state: "up" },
    { dst: "10.1.0.9", kind: "address", sandbox: "c", state: "down" },
  ];
  assertEquals(await run("advertise", { advertisedRoutes }), [
    0,
    "ROUTE         KIND      NETWORK   SANDBOX   STATE",
    "10.0.0.0/24   subnet    n                   up",
    "10.1.0.9      address             c         down",
  ]);
  const wrong = async (typed: string) => (await run(`advertise ${typed}`))[1];
  assertEquals(await wrong("--asn 1"), "! Option --asn needs --config");
  assertEquals(await wrong("--neighbor 10.0.0.1"), "! Option --neighbor needs --config");
  assertEquals(await wrong("--config frr --json"), "! Choose one of --json and --config");
  const words = "advertise --config frr --asn 65001 --neighbor 172.16.0.1";
  const [status, ...lines] = await run(words);
  assertEquals([status, lines.includes("router bgp 65001"), lines.at(-1) === ""], [0, true, false]);
});

Deno.test("docker install prints the units, with the pools of the plugin's options", async () => {
  using _endpoints = inEnv("IPVLAN_ETCD_ENDPOINTS", "https://a:1");
  const execStart = async (words: string) => {
    const [status, ...lines] = await run(`docker install --print-unit${words}`);
    assertEquals(status, 0);
    return lines.find((line) => line.startsWith("ExecStart="))?.replace(/^.* docker/, "docker");
  };
  const { execPath } = Deno;
  Deno.execPath = () => "/opt/deno";
  try {
    // The units do not take the pools of who installs them.
    assertEquals(await execStart(""), "docker serve");
    const given = " --ipam-opt endpoints=https://b:2";
    assertEquals(await execStart(given), "docker serve --ipam-opt endpoints=https://b:2");
  } finally {
    Deno.execPath = execPath;
  }
});

Deno.test("the way to etcd is said by an option, or else by the environment", () => {
  const none = { values: () => [] };
  const given = { values: () => ["endpoints=https://b:2"] };
  const endpoints = (args: typeof given, pools?: boolean) => readAccess(args, pools)?.endpoints;
  assertEquals(endpoints(none), undefined);
  assertEquals(endpoints(given), ["https://b:2"]);
  using _endpoints = inEnv("IPVLAN_ETCD_ENDPOINTS", "https://a:1");
  assertEquals(endpoints(none), ["https://a:1"]);
  assertEquals(endpoints(none, true), undefined);
  assertEquals(endpoints(given, true), ["https://b:2"]);
  using _password = inEnv("IPVLAN_ETCD_CA", "/no/such/file");
  assertEquals(attempt(() => readAccess(given)).ok, true);
  // The plugin reads the files.
  assertEquals(attempt(() => readAccess(given, true)).ok, false);
});

Deno.test("a signal has a name, with and without SIG, or a number", () => {
  for (const text of ["TERM", "term", "SIGTERM", "sigterm", "15"]) {
    assertEquals(readSignal(text), "SIGTERM");
  }
  assertEquals(readSignal("9"), "SIGKILL");
  for (const text of ["", "NOPE", "99", "SIGSIGTERM"]) {
    assertEquals([text, attempt(() => readSignal(text)).ok], [text, false]);
  }
});

Deno.test("a count is a whole number, or a word for no limit", () => {
  const read = (text: string) => readCount("timeout", text, "give a whole number", "-1", "all");
  const texts = ["0", "10", "999999999", "-1", "all"];
  assertEquals(texts.map(read), [0, 10, 999999999, Infinity, Infinity]);
  for (const text of ["", "x", "1.5", "-2", "1000000000"]) {
    assertEquals([text, attempt(() => read(text)).ok], [text, false]);
  }
});

Deno.test("the help of a command is laid out in columns, and wraps between words", () => {
  const command: Command = {
    usage: "[OPTIONS] WORD",
    example: "ipvlan x a\nipvlan x b",
    options: {
      "-s, --subnet PREFIX...": "a",
      // Ends in column 80, and one letter behind it.
      "--fits": `${"b".repeat(55)} c`,
      "--not": `${"b".repeat(56)} c`,
      "--long": `${"d".repeat(60)} e`,
    },
    statuses: [["0", "done"]],
    run: () => undefined,
  };
  const indent = " ".repeat(23);
  assertEquals(commandHelp("x", "Do it", command).split("\n"), [
    "Usage: ipvlan x [OPTIONS] WORD",
    "",
    "Do it.",
    "",
    "Options:",
    "  -s, --subnet PREFIX  a (may be given several times)",
    `      --fits           ${"b".repeat(55)} c`,
    `      --not            ${"b".repeat(56)}`,
    `${indent}c`,
    `      --long           ${"d".repeat(60)}`,
    `${indent}e`,
    "      --help           show this help",
    "      --verbose        print each ip line as it is run, and the stack of an",
    `${indent}error`,
    "",
    "Exit status:",
    "  0  done",
    "",
    "Example:",
    "  ipvlan x a",
    "  ipvlan x b",
  ]);
  const { statuses: _, ...plain } = command;
  assertEquals(commandHelp("x", "Do it", plain).includes("Exit status"), false);
});
