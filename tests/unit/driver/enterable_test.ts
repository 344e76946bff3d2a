import { assertEquals, assertRejects } from "@std/assert";
import { findEnterable } from "../../../lib/driver/sandbox/enterable.ts";
import { IpCommandError } from "../../../lib/iproute2/errors.ts";

/** What `stat` prints of names and processes, and of open files. */
const [FILES, OPEN_FILES] = [[
  "/proc/self/ns/net 4 100",
  "/run/netns/web 4 101",
  "/run/netns/host 4 102",
  "/run/netns/www 4 101",
  // No namespace: what `ip netns del` has left of one that is mounted elsewhere.
  "/run/netns/stale 27 7",
  // A name that ip takes for an option or the shell for a command.
  "/run/netns/-x 4 103",
  "/run/netns/$(reboot) 4 104",
  "/run/netns/a b 4 105",
  "/proc/1/ns/net 4 100",
  "/proc/7/ns/net 4 101",
  "/proc/8/ns/net 4 106",
  "/ 1 2",
], [
  "/proc/9/fd/3 4 106",
  "/proc/9/fd/4 4 107",
  "/proc/9/fd/5 9 107",
  "/proc/9/fd/socket:[1] (deleted) 9 12",
]];

/** What is found if the two programs print these lines. */
async function found(host: string | undefined, ...printed: string[][]) {
  return await findEnterable(
    () => Promise.resolve({ code: 1, out: printed.shift()!, err: [] }),
    host,
  );
}

Deno.test("each namespace is found once, and one with a name is known by it", async () => {
  assertEquals(await found(undefined, FILES, OPEN_FILES), [
    { netns: undefined, isHost: true, where: "of the host", names: [] },
    { netns: "web", isHost: false, where: 'in the namespace "web"', names: ["web", "www"] },
    { netns: "host", isHost: false, where: 'in the namespace "host"', names: ["host"] },
    {
      netns: "../../proc/8/ns/net",
      isHost: false,
      where: "in the namespace of process 8",
      names: [],
    },
    {
      netns: "../../proc/9/fd/4",
      isHost: false,
      where: "in a namespace that process 9 keeps open",
      names: [],
    },
  ]);
  assertEquals((await found("host", FILES, OPEN_FILES)).slice(0, 3), [
    { netns: undefined, isHost: false, where: "in the namespace of this process", names: [] },
    { netns: "web", isHost: false, where: 'in the namespace "web"', names: ["web", "www"] },
    { netns: "host", isHost: true, where: "of the host", names: ["host"] },
  ]);
});

Deno.test("the search fails if it did not see all names and processes, but not for open files", async () => {
  await assertRejects(() => found(undefined, FILES.slice(0, -1), OPEN_FILES), IpCommandError);
  assertEquals((await found(undefined, FILES, [])).length, 4);
});
