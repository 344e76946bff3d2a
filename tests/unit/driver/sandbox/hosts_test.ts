import { assertEquals } from "@std/assert";
import {
  editHosts,
  MARK,
  planHosts,
  renderHosts,
} from "../../../../lib/driver/sandbox/hosts_plan.ts";
import { noticeHosts } from "../../../../lib/driver/sandbox/hosts.ts";
import type { HostEntry } from "../../../../lib/driver/store/store.ts";

const HEAD = `# Written by ipvlan-kit, which changes the lines that end in # ipvlan
127.0.0.1 localhost # ipvlan
::1 localhost ip6-localhost ip6-loopback # ipvlan
`;

function endpoint(sandbox: string, network: string, changes: Partial<HostEntry> = {}): HostEntry {
  return {
    state: "ready",
    ...{ network, networkName: network, sandbox, ordinal: 0, aliases: [], ...changes },
  };
}

Deno.test("a machine without a hosts file of its own is said to have none", () => {
  const isThere = [...Deno.readDirSync("/etc")].some(({ name }) => name === "hosts");
  assertEquals(noticeHosts().length, isThere ? 0 : 1);
});

Deno.test("a sandbox on no network knows itself by the loopback only", () => {
  assertEquals(renderHosts([]), HEAD);
});

Deno.test("each sandbox is found by name, aliases and name.network, in the order made", () => {
  const text = renderHosts([
    endpoint("c1", "db", { ip: "10.0.0.2", ip6: "fd00::2", aliases: ["master", "c1"] }),
    endpoint("c2", "db", { ip: "10.0.0.3", aliases: ["replica"] }),
    endpoint("c2", "web", { ip: "10.1.0.2" }),
    endpoint("c3", "web", { ip6: "fd01::9" }),
  ]);
  assertEquals(
    text,
    HEAD + `10.0.0.2 c1 master c1.db # ipvlan
fd00::2 c1 master c1.db # ipvlan
10.0.0.3 c2 replica c2.db # ipvlan
10.1.0.2 c2 c2.web # ipvlan
fd01::9 c3 c3.web # ipvlan
`,
  );
});

/** Which files are to be written for some stale sandboxes and networks, and which ones go. */
function planOf(
  endpoints: HostEntry[],
  { sandboxes = [], networks = [] }: { sandboxes?: string[]; networks?: string[] },
) {
  const facts = {
    endpoints,
    settings: new Map([["own", { hostname: "h" }]]),
    exists: (sandbox: string) => sandbox === "alone",
  };
  const stale = { sandboxes: new Set(sandboxes), networks: new Set(networks) };
  const texts = [...planHosts(facts, stale)];
  const names = (text: string) =>
    text.split("\n").slice(3, -1).map((line) => line.replace(MARK, "").split(" ").at(-1));
  return {
    files: texts.flatMap(([sandbox, text]) =>
      text === undefined ? [] : [[sandbox, ...names(text)]]
    ),
    removed: texts.flatMap(([sandbox, text]) => text === undefined ? [sandbox] : []),
  };
}

const SECOND = { ordinal: 1 };

Deno.test("the files of the sandboxes that may have changed are written, each with its networks' names", () => {
  const endpoints = [
    endpoint("c1", "a", { ip: "10.0.0.1" }),
    endpoint("c2", "a", { ip: "10.0.0.2" }),
    endpoint("c2", "b", { ip: "10.1.0.2", ...SECOND }),
    endpoint("c3", "b", { ip: "10.1.0.3", ...SECOND }),
    endpoint("c3", "a", { ip: "10.0.0.3" }),
    endpoint("docker:1", "a", { ip: "10.0.0.4", aliases: ["web"] }),
    endpoint("own", "b", { ip: "10.1.0.5" }),
  ];
  const [onA, onB] = [["c1.a", "c2.a", "c3.a", "web"], ["c2.b", "c3.b", "own.b"]];
  const of = (...networks: string[]) => planOf(endpoints, { networks }).files;
  const both = [["c2", ...onA, ...onB], ["c3", ...onA, ...onB]];
  // The host name of "own" is before the first three lines that all have.
  const own = ["own", "ip6-loopback", ...onB];
  assertEquals(of("a"), [["c1", ...onA], ...both]);
  assertEquals(of("b"), [...both, own]);
  assertEquals(planOf(endpoints, { sandboxes: ["own", "docker:1"] }), {
    files: [own],
    removed: [],
  });
  // Nor are its own lines those of the others, if it comes first.
  const first = [endpoint("own", "b", { ip: "10.1.0.5" }), endpoint("c9", "b", { ip: "10.1.0.9" })];
  assertEquals(planOf(first, { networks: ["b"] }).files, [
    ["own", "ip6-loopback", "own.b", "c9.b"],
    ["c9", "own.b", "c9.b"],
  ]);
  // In the order of the sandbox's networks.
  const other = endpoints.map((each) => ({ ...each, ordinal: 1 - each.ordinal }));
  assertEquals(planOf(other, { sandboxes: ["c2"] }).files, [["c2", ...onB, ...onA]]);
});

Deno.test("a sandbox that is going is in no file, and its own goes with its record", () => {
  const going = { ip: "10.0.0.1", state: "removing" } as const;
  const stale = { sandboxes: ["c", "alone"], networks: ["a"] };
  const left = endpoint("d", "a", { ip: "10.0.0.2" });
  assertEquals(planOf([endpoint("c", "a", going), left], stale), {
    files: [["d", "d.a"], ["alone"]],
    removed: ["c"],
  });
});

const TEXT = `${HEAD}10.0.0.2 c1 c1.a # ipvlan\n10.0.0.3 c2 c2.a # ipvlan\n`;
const [FIRST] = TEXT.split("10.0.0.3");

/** What is in a file when an edit is done, and what would be there without its last step. */
function edited(old: string, text: string): [string, string] {
  const { at, tail, size } = editHosts(old, text);
  const file = old.slice(0, at) + tail + old.slice(at + tail.length);
  return [file.slice(0, size), file];
}

Deno.test("a hosts file gets the lines that are missing at its end, wherever others have written theirs", () => {
  for (const theirs of ["", "10.9.9.9 bank\n", "10.9.9.9 bank", "\n# \xff\xfe\0\n", "\r\n\r"]) {
    const old = FIRST + theirs;
    const whole = theirs === "" || theirs.endsWith("\n") ? theirs : `${theirs}\n`;
    const [text, before] = edited(old, TEXT);
    assertEquals(text, `${FIRST}${whole}10.0.0.3 c2 c2.a # ipvlan\n`);
    assertEquals([editHosts(old, TEXT).at, before], [old.length, text]);
    // Then nothing is to be done.
    assertEquals(editHosts(text, TEXT).tail, "");
  }
  // The lines of others come last when ours have another order.
  const [moved] = edited(`${HEAD}10.0.0.3 c2 c2.a # ipvlan\n10.9.9.9 bank`, TEXT);
  assertEquals(moved, `${TEXT}10.9.9.9 bank\n`);
});

Deno.test("whatever is in a hosts file, ours are there afterwards and others are kept", () => {
  const bank = "10.9.9.9 bank\n";
  const unmarked = TEXT.replaceAll(MARK, "");
  const cases: [was: string, then: string][] = [
    ["", TEXT],
    [bank, bank + TEXT],
    ["\n", `\n${TEXT}`],
    [bank + TEXT, bank + TEXT],
    [unmarked, unmarked + TEXT],
    [TEXT.replace("c1 c1.a", "c1 evil"), TEXT],
    [TEXT + TEXT, TEXT],
    [`${TEXT}10.0.0.9 gone # ipvlan\n${bank}10.0.0.8 gone # ipvlan\n`, TEXT + bank],
    // What a kill may leave.
    [TEXT.slice(0, 20), TEXT],
    [TEXT.slice(0, -12), TEXT],
    [`${FIRST}${bank}10.0.0.3 c2`, TEXT + bank],
  ];
  for (const [was, then] of cases) {
    const [text, before] = edited(was, TEXT);
    assertEquals(text, then, was);
    // No byte is written beyond the old end, unless the file grows.
    const { at, tail, size } = editHosts(was, TEXT);
    assertEquals(at + tail.length, Math.max(was.length, size), was);
    // A kill before the file is cut leaves blank lines.
    assertEquals(before.trimEnd(), text.trimEnd());
    assertEquals(edited(text, TEXT)[0], text);
  }
});
