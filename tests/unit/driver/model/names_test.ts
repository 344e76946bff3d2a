import { assert, assertEquals } from "@std/assert";
import {
  engineOf,
  IN_SANDBOX,
  isOwned,
  nameProblem,
  namesOn,
  networkParent,
  parentNames,
  parentProblems,
  subInterfaceProblems,
  subInterfaces,
} from "../../../../lib/driver/model/names.ts";

Deno.test("a name that can be a file name, a word of a line and a host name is a name", () => {
  const long = "a".repeat(64);
  const cases: [string, boolean][] = [
    ["db_net", true],
    ["ipvlan140", true],
    ["a", true],
    ["0a", true],
    ["a.b-c_d", true],
    [long.slice(1), true],
    [long, false],
    ["", false],
    [".", false],
    ["..", false],
    [".hidden", false],
    ["-n", false],
    ["_a", false],
    ["a/b", false],
    ["a b", false],
    ["a\n", false],
    ["netz-ä", false],
  ];
  for (const [name, ok] of cases) {
    for (const what of ["network", "sandbox", "alias"] as const) {
      const problem = nameProblem(what, name);
      assertEquals(problem === undefined, ok, `${what} ${JSON.stringify(name)}`);
      if (!problem) continue;
      assertEquals([problem.what, problem.value], [what, name]);
      assert(problem.message.startsWith(`The ${what} name ${JSON.stringify(name)} is not valid: `));
    }
  }
});

Deno.test("the name alone tells whose a network or a sandbox is", () => {
  const engines = ["docker", "cni", "netavark"] as const;
  for (const engine of engines) {
    const name = `${engine}:a.b-c_d`;
    assertEquals(nameProblem("network", name, { engine, id: "" }), undefined);
    assertEquals([engineOf(name), isOwned(name)], [engine, true]);
  }
  for (const name of ["docker", "a.b-c_d", ""]) {
    assertEquals([engineOf(name), isOwned(name)], [undefined, false]);
  }
});

Deno.test("a parent is a link of the host, one of each sandbox, or not there yet", () => {
  assertEquals(networkParent({ parent: "eth0.20" }), { kind: "host", link: "eth0.20" });
  assertEquals(networkParent({ parent: IN_SANDBOX }), { kind: "sandbox" });
  assertEquals(networkParent({}), { kind: "none" });
  // On record, it is this text.
  assertEquals(IN_SANDBOX, "(in the sandbox)");
});

Deno.test("a sandbox's name is not digits alone, which ip takes for a process id", () => {
  const problem = nameProblem("sandbox", "123");
  assert(problem?.message.endsWith("ip takes digits alone for a process id"), problem?.message);
  assertEquals(nameProblem("network", "123"), undefined);
});

Deno.test("a host name is no name of the host itself, and nothing that is read as an address", () => {
  const refused = ["localhost", "LocalHost", "a.localhost", "ip6-localhost", "ip6-loopback"];
  refused.push("LOCALHOST.", "a.localhost.", "ip6-loopback.");
  // What inet_aton(3) takes for an address is never looked up as a name.
  refused.push("8.8.8.8", "8.8", "0x7f000001", "1.0xFf", "127.1");
  for (const name of refused) {
    for (const what of ["sandbox", "alias"] as const) {
      const problem = nameProblem(what, name);
      assert(problem, `${what} ${name}`);
      assertEquals([problem.what, problem.value], [what, name]);
    }
    assertEquals(nameProblem("network", name), undefined);
  }
  assert(nameProblem("alias", "123"));
  for (
    const name of ["localhosts", "my-localhost", "1.2.3.4.5", "8.8.8.8a", "0x", "1and1", "x.8"]
  ) {
    assertEquals([nameProblem("alias", name), nameProblem("sandbox", name)], [
      undefined,
      undefined,
    ]);
  }
});

Deno.test("the name of a missing parent says which sub-interfaces to make", () => {
  const eth20 = { name: "eth0.20", link: "eth0", id: 20, protocol: "802.1Q" } as const;
  const service = { ...eth20, protocol: "802.1ad" } as const;
  const inner = { name: "eth0.20.30", link: "eth0.20", id: 30, protocol: "802.1Q" } as const;
  const cases: [string, string[], ReturnType<typeof subInterfaces>][] = [
    ["foo", [], undefined],
    ["eth0.", [], undefined],
    [".20", [], undefined],
    ["eth0.2x", [], undefined],
    ["eth0.20", ["eth0"], [eth20]],
    // The link below may be missing, which is for others to say.
    ["eth0.20", [], [eth20]],
    ["eth0.20.30", ["eth0"], [service, inner]],
    ["eth0.20.30", ["eth0", "eth0.20"], [inner]],
    // A link with a dot in its own name, such as a bond of somebody's.
    ["a.1.20", ["a.1"], [{ name: "a.1.20", link: "a.1", id: 20, protocol: "802.1Q" }]],
    ["br.lan.5", ["br.lan"], [{ name: "br.lan.5", link: "br.lan", id: 5, protocol: "802.1Q" }]],
  ];
  for (const [parent, exist, expected] of cases) {
    assertEquals(subInterfaces(parent, (name) => exist.includes(name)), expected, parent);
  }
});

Deno.test("a sub-interface has a VLAN id from 1 to 4094 and a name of up to 15 characters", () => {
  const problems = (name: string, id: number) =>
    subInterfaceProblems({ name, link: "eth0", id, protocol: "802.1Q" });
  assertEquals([1, 4094].flatMap((id) => problems("eth0.1", id)), []);
  for (const id of [0, 4095, 99999]) {
    const [problem] = problems(`eth0.${id}`, id);
    assertEquals(
      problem?.message,
      `The parent "eth0.${id}" is not valid: the VLAN id ${id} is not from 1 to 4094`,
    );
  }
  const [problem] = problems("enp0s31f6u1.4000", 4000);
  assertEquals(
    problem?.message,
    'The parent "enp0s31f6u1.4000" is not valid: a link\'s name has at most 15 characters; make ' +
      "the link under a shorter name and use that",
  );
});

Deno.test("a parent that no link can be is refused, with the most helpful reason", () => {
  const said = (parent: string) => parentProblems(parent).map(({ message }) => message);
  assertEquals(said("eth0.20"), []);
  assertEquals(said("enp0s31f6u.4000"), []);
  // The link below may be there, so this is about the link itself alone.
  for (const parent of ["enp0s31f6u1.4000", "enp0s31f6u1234.20.30"]) {
    const [reason, ...more] = said(parent);
    assert(reason?.includes("make the link under a shorter name"), reason);
    assertEquals(more, []);
  }
  for (const parent of ["a b", "a b.20", "a".repeat(16)]) {
    const [reason, ...more] = said(parent);
    assert(reason?.startsWith(`The parent "${parent}" is not valid`), reason);
    assertEquals([reason?.includes("shorter name"), more], [false, []]);
  }
});

Deno.test("a parent may stand on the links that are in its name", () => {
  assertEquals(parentNames({ parent: "eth0" }), ["eth0"]);
  assertEquals(parentNames({ parent: "eth0.20" }), ["eth0.20", "eth0"]);
  assertEquals(parentNames({ parent: "a.b.20.30" }), ["a.b.20.30", "a.b.20", "a.b"]);
  assertEquals(parentNames({ parent: "e.1.2.3.4" }), ["e.1.2.3.4", "e.1.2.3", "e.1.2"]);
  assertEquals(parentNames({ parent: "a b" }), []);
  assertEquals(parentNames({}), []);
});

Deno.test("an id of an engine is of any length that engines have, and an error does not repeat a longer one", () => {
  const problem = (id: string) =>
    nameProblem("sandbox", `cni:${id}`, { engine: "cni", id })?.message;
  assertEquals(["a", "a".repeat(64), "a".repeat(251)].map(problem), Array(3).fill(undefined));
  const rule = "is not valid: it is longer than 255 characters";
  for (const length of [252, 10_000]) {
    assertEquals(
      problem("a".repeat(length)),
      `The sandbox name "cni:${"a".repeat(56)}…" ${rule}`,
    );
  }
});

Deno.test("a sandbox is found by its name and its aliases; an engine's, by its aliases alone", () => {
  const names = (sandbox: string, ...aliases: string[]) => namesOn("net", { sandbox, aliases });
  assertEquals(names("c1", "db", "c1"), ["c1", "db", "c1.net"]);
  assertEquals(names("docker:c1", "db"), ["db"]);
});
