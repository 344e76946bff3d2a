import { assertEquals } from "@std/assert";
import { findEnterable, mountedIn } from "../../../../lib/driver/sandbox/enterable.ts";
import { assertRejectsError } from "../../../kit/errors.ts";

/** What `stat` prints of names and processes, and of open files. */
const [FILES, OPEN_FILES] = [[
  // No namespace: what `ip netns del` has left of one that is mounted elsewhere.
  "/run/netns/stale 27 7",
  "/proc/self/ns/net 4 100",
  "/run/netns/web 4 101",
  "/run/netns/host 4 102",
  "/run/netns/www 4 101",
  // Those that are mounted elsewhere: with a name, too, and without.
  "/run/docker/netns/3e458d0718ee 4 101",
  "/run/docker/netns/584b0123abcd 4 108",
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
      netns: "../../run/docker/netns/584b0123abcd",
      isHost: false,
      where: "in the namespace /run/docker/netns/584b0123abcd",
      names: [],
    },
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
  await assertRejectsError(() => found(undefined, FILES.slice(0, -1), OPEN_FILES), "ip-command");
  assertEquals((await found(undefined, FILES, [])).length, 5);
});

Deno.test("namespaces are found by their mounts, unless a path is none for the shell", () => {
  const mounts = [
    "34 33 0:4 net:[4026532113] /run/netns/web rw shared:15 - nsfs nsfs rw",
    "147 23 0:4 net:[4026532185] /run/docker/netns/5e37925ca025 rw shared:17 - nsfs nsfs rw",
    "148 23 0:4 net:[4026532186] /run/docker/netns/37aa5c91df3e rw - nsfs nsfs rw",
    "149 23 0:4 mnt:[4026532187] /run/snapd/ns/lxd.mnt rw - nsfs nsfs rw",
    "150 23 0:4 net:[4026532188] /tmp/$(reboot) rw - nsfs nsfs rw",
    "151 23 0:4 net:[4026532189] /tmp/a\\040b rw - nsfs nsfs rw",
    "152 23 0:22 /net:[1] /tmp/x rw - tmpfs tmpfs rw",
  ];
  assertEquals(mountedIn(mounts.join("\n")), [
    "/run/docker/netns/5e37925ca025",
    "/run/docker/netns/37aa5c91df3e",
  ]);
});
