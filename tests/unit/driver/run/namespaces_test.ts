import { assert, assertEquals, assertMatch } from "@std/assert";
import { Namespaces, reported } from "../../../../lib/driver/run/namespaces.ts";
import { CALLER } from "../../../../lib/driver/run/plan.ts";
import { Programs } from "../../../../lib/driver/run/programs.ts";
import { FakeShell } from "../../../kit/fake_ip.ts";

/** What was run, without the lines that close each burst. */
function runs({ commands, inputs }: FakeShell): string[] {
  return commands.map((command, index) =>
    [
      command,
      ...inputs[index]!.filter((line) => line !== "route get 0.0.0.0" && line !== "end-of-burst"),
    ]
      .join("; ")
  );
}

const STEPS = [
  { netns: CALLER, line: "a" },
  { line: "b" },
  { netns: "c1", line: "c" },
  { netns: "c1", line: "d" },
] as const;

Deno.test("a plan runs in one process for each namespace, and prints each line before it runs", async () => {
  const shell = new FakeShell();
  const said: string[] = [];
  const wrap = reported((command) => said.push(command), false);
  {
    await using programs = new Programs(() => shell);
    const namespaces = new Namespaces({ host: "h", programs, wrap });
    await namespaces.apply(STEPS);
    assertEquals(said, ["ip a", "ip -n h b", "ip -n c1 c", "ip -n c1 d"]);
    assertEquals(runs(shell), [
      "ip -details -json -force -batch -; a",
      "ip -n h -details -json -force -batch -; b",
      "ip -n c1 -details -json -batch -; c; d",
    ]);
  }
  assert(shell.ended);
});

Deno.test("the lines of calls at the same time in the host are one process", async () => {
  const shell = new FakeShell();
  await using programs = new Programs(() => shell);
  const namespaces = new Namespaces({ programs });
  assert(namespaces.host() === namespaces.caller());
  await Promise.all(["x", "y", "z"].map((line) => namespaces.apply([{ line }])));
  assertEquals(runs(shell), ["ip -details -json -force -batch -; x; y; z"]);
});

Deno.test("the shell is started when it is needed, and anew when it has ended", async () => {
  const shells: FakeShell[] = [];
  const start = () => {
    shells.push(new FakeShell());
    return shells.at(-1)!;
  };
  await using programs = new Programs(start);
  const namespaces = new Namespaces({ programs });
  assertEquals(shells.length, 0);
  await namespaces.apply([{ line: "x" }]);
  await namespaces.apply([{ line: "y" }]);
  assertEquals(shells.length, 1);
  shells[0]!.ended = true;
  await namespaces.apply([{ line: "z" }]);
  assertEquals(shells.length, 2);
});

Deno.test("a dry run prints every line, runs none, and finds nothing in a namespace that does not exist", async () => {
  const shell = new FakeShell();
  const said: string[] = [];
  const wrap = reported((command) => said.push(command), true);
  await using programs = new Programs(() => shell);
  const namespaces = new Namespaces({ programs, wrap });
  await namespaces.apply(STEPS);
  assertEquals([said, runs(shell)], [["ip a", "ip b", "ip -n c1 c", "ip -n c1 d"], []]);
  const gone = 'Cannot open network namespace "c1": No such file or directory';
  shell.ending = { code: 1, out: [], err: [gone] };
  assertEquals(await namespaces.inside("c1").link.show(), []);
});

Deno.test("ip runs with the lock file open, and only while the driver that asked for it runs", async () => {
  const shell = new FakeShell();
  await using programs = new Programs(() => shell);
  const namespaces = new Namespaces({ programs, lock: "/state/lock" });
  await namespaces.apply([{ netns: "c1", line: "x" }]);
  await namespaces.run("stat /", []);
  assertEquals(runs(shell), [
    '{ kill -0 $PPID || exit; ip -n c1 -details -json -batch -; } 9<>"$1"; x',
    "stat /",
  ]);
});

Deno.test("settings of links are made by a shell in the namespace and becomes ip", async () => {
  const steps = [
    { netns: "c1", line: "x", settings: ["net/ipv6/conf/e-1/disable_ipv6=1"] },
    { netns: "c1", line: "y", settings: ["net/ipv6/conf/e-2/disable_ipv6=1"] },
  ];
  for (const isRehearsal of [false, true]) {
    const shell = new FakeShell();
    const said: string[] = [];
    await using programs = new Programs(() => shell);
    const namespaces = new Namespaces({
      programs,
      wrap: reported((command) => said.push(command), isRehearsal),
    });
    await namespaces.apply(steps);
    assertEquals(said, [
      "ip netns exec c1 sysctl -w net/ipv6/conf/e-1/disable_ipv6=1",
      "ip netns exec c1 sysctl -w net/ipv6/conf/e-2/disable_ipv6=1",
      "ip -n c1 x",
      "ip -n c1 y",
    ]);
    if (isRehearsal) assertEquals(shell.commands, []);
    else {
      const files = [1, 2].map((index) => `net/ipv6/conf/e-${index}/disable_ipv6=1`).join(" ");
      const [command = "", ...more] = shell.commands;
      assertMatch(
        command,
        /^nsenter --net=\/run\/netns\/c1 sh -c 'for each; .* exec ip -details -json -batch -' sh /,
      );
      assertEquals([command.split("' sh ")[1], more], [files, []]);
    }
  }
});
