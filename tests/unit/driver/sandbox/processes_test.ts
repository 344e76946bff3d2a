import { assertEquals } from "@std/assert";
import {
  nameIsUsed,
  namespaceExists,
  Processes,
} from "../../../../lib/driver/sandbox/processes.ts";
import { Shell } from "../../../../lib/iproute2/shell.ts";
import { assertRejectsError } from "../../../kit/errors.ts";

const OWN = "/proc/self/ns/net";

Deno.test("a namespace is what is mounted, and a file left behind keeps its name", () => {
  // Here, /proc stands for a mounted namespace.
  const places = [["proc", "/"], ["version", "/proc"], ["none-is-there", "/"]] as const;
  assertEquals(places.map(([name, folder]) => nameIsUsed(name, folder)), [true, true, false]);
  assertEquals(places.map(([name, folder]) => namespaceExists(name, folder)), [true, false, false]);
});

Deno.test("a process is found by the file of its namespace", async () => {
  await using shell = new Shell();
  const processes = new Processes(shell.run);
  const pid = await processes.at(OWN);
  assertEquals(Deno.statSync(`/proc/${pid}/ns/net`).ino, Deno.statSync(OWN).ino);
  const refused = (path: string, why: string) =>
    assertRejectsError(() => processes.at(path), "invalid-option", why);
  await refused("/nowhere/at/all", "there is no such file");
  await refused("/etc/passwd", "it is not a namespace");
  await refused("/proc/self/ns/uts", "no process is in it as a network namespace");
  assertEquals(await processes.in("there-is-none"), []);
});

Deno.test("processes are looked for again after a failure, which names a missing program", async () => {
  const out = ["/proc/7/ns/net 4 5", "noise", "/ 1 2"];
  const endings = [127, 0].map((code) => ({ code, out, err: [] }));
  const processes = new Processes(() => Promise.resolve(endings.shift()!));
  await assertRejectsError(() => processes.at(OWN), "program-not-found", '"stat"');
  await assertRejectsError(() => processes.at(OWN), "invalid-option");
});

Deno.test("a search that did not come to its end fails, as if there were processes", async () => {
  const said = (out: string[], err: string[]) =>
    new Processes(() => Promise.resolve({ code: 1, out, err })).at(OWN);
  const { dev, ino } = Deno.statSync(OWN);
  const line = `/proc/7/ns/net ${dev} ${ino}`;
  assertEquals(await said([line, "/ 1 2"], ["stat: gone"]), 7);
  await assertRejectsError(() => said([], ["stat: broken"]), "ip-command", "stat: broken (stat)");
  await assertRejectsError(() => said([line], []), "ip-command", "No reason");
  await assertRejectsError(() => said(["noise"], []), "ip-command");
});

Deno.test("idle() waits while any process has the driver's lock open", async () => {
  const lock = await Deno.makeTempFile();
  try {
    const { dev, ino: number } = Deno.statSync(lock);
    const ino = number!;
    const looks = [
      [`/proc/7/fd/9 ${dev} ${ino}`, `/proc/8/fd/9 ${dev} ${ino + 1}`],
      [`/proc/7/fd/9 ${dev} ${ino}`],
      [`/proc/8/fd/9 ${dev} ${ino + 1}`, `/proc/9/fd/9 ${dev + 1} ${ino}`],
    ];
    const processes = new Processes((command) => {
      assertEquals(command, "stat -L -c '%n %d %i' /proc/[0-9]*/fd/9 /");
      // Whenever somebody closes the file, the processes are looked for again.
      queueMicrotask(() => Deno.openSync(lock, { write: true }).close());
      const out = [...looks.shift()!, "/ 1 2"];
      return Promise.resolve({ code: 1, out, err: ["stat: no such file"] });
    }, lock);
    await processes.idle();
    assertEquals(looks, []);
  } finally {
    await Deno.remove(lock);
  }
});

Deno.test("idle() says nothing of a look that takes long and finds nobody", async () => {
  const lock = await Deno.makeTempFile();
  try {
    const said: string[] = [];
    const look = async () => {
      await new Promise((resolve) => setTimeout(resolve, 1200));
      return { code: 0, out: ["/ 1 2"], err: [] };
    };
    await new Processes(look, lock).idle({ waiting: (sentence) => said.push(sentence) });
    assertEquals(said, []);
  } finally {
    await Deno.remove(lock);
  }
});

Deno.test("a process that has ended need not be killed, and one that may not be killed is an error", async () => {
  let err = ["sh: 1: kill: No such process"];
  const commands: string[] = [];
  const processes = new Processes((command) => {
    commands.push(command);
    return Promise.resolve({ code: 1, out: [], err });
  });
  await processes.kill([]);
  await processes.kill([7, 8]);
  assertEquals(commands, ["kill -9 7 8"]);
  err = ["sh: 1: kill: Operation not permitted"];
  await assertRejectsError(() => processes.kill([9]), "missing-rights", "not permitted");
});
