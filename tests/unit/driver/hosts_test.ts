import { assertEquals } from "@std/assert";
import { planHosts, renderHosts } from "../../../lib/driver/sandbox/hosts_plan.ts";
import { mountsOf } from "../../../lib/driver/sandbox/remount.ts";
import type { NamedEndpoint, Stated } from "../../../lib/driver/store/store.ts";

const HEAD = `# Written by ipvlan-kit; changes will be lost
127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
`;

function endpoint(
  sandbox: string,
  network: string,
  changes: Partial<Stated<NamedEndpoint>> = {},
): Stated<NamedEndpoint> {
  return {
    state: "ready",
    ...{ id: `${sandbox}-${network}`, network, networkName: network, sandbox },
    ...{ ifname: "eth0", ordinal: 0, aliases: [], ...changes },
  };
}

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
    HEAD + `10.0.0.2 c1 master c1.db
fd00::2 c1 master c1.db
10.0.0.3 c2 replica c2.db
10.1.0.2 c2 c2.web
fd01::9 c3 c3.web
`,
  );
});

/** What there is to do for some stale sandboxes and networks: who shares which file, and what goes. */
function planOf(
  endpoints: Stated<NamedEndpoint>[],
  { sandboxes = [], networks = [] }: { sandboxes?: string[]; networks?: string[] },
) {
  const facts = {
    endpoints,
    settings: new Map([["own", { hostname: "h" }]]),
    exists: (sandbox: string) => sandbox === "alone",
  };
  const stale = { sandboxes: new Set(sandboxes), networks: new Set(networks) };
  const { files, removed, unused } = planHosts(facts, stale);
  return { files: files.map(({ key, members }) => [key, ...members]), removed, unused };
}

const SECOND = { ordinal: 1 };

Deno.test("sandboxes on the same networks in the same order share a file", () => {
  const endpoints = [
    endpoint("c1", "a"),
    endpoint("c2", "a"),
    endpoint("c2", "b", SECOND),
    endpoint("c3", "b", SECOND),
    endpoint("c3", "a"),
    endpoint("c4", "b"),
    endpoint("c4", "a", SECOND),
    endpoint("c5", "a"),
    endpoint("own", "a"),
  ];
  assertEquals(planOf(endpoints, { networks: ["a"] }).files, [
    ["a", "c1", "c5"],
    ["a+b", "c2", "c3"],
    ["b+a", "c4"],
    ["@own", "own"],
  ]);
  // Only the files that may be stale.
  assertEquals(planOf(endpoints, { networks: ["b"] }).files, [["a+b", "c2", "c3"], ["b+a", "c4"]]);
  assertEquals(planOf(endpoints, { sandboxes: ["c1", "own"] }).files, [
    ["a", "c1", "c5"],
    ["@own", "own"],
  ]);
});

Deno.test("a file goes with the last sandbox that shares it, whenever a call was killed", () => {
  const going = { ...SECOND, state: "removing" } as const;
  const coming = { ...SECOND, state: "making" } as const;
  // It is disconnected from one of its two networks.
  assertEquals(planOf([endpoint("c", "a"), endpoint("c", "b", going)], { sandboxes: ["c"] }), {
    files: [["a", "c"]],
    removed: [],
    unused: ["@c", "a+b"],
  });
  // It is connected to another one.
  assertEquals(planOf([endpoint("c", "a"), endpoint("c", "b", coming)], { sandboxes: ["c"] }), {
    files: [["a+b", "c"]],
    removed: [],
    unused: ["@c", "a"],
  });
  // It is removed, and another sandbox is there.
  const gone = [endpoint("c", "a", { state: "removing" }), endpoint("d", "a")];
  assertEquals(planOf(gone, { sandboxes: ["c"], networks: ["a"] }), {
    files: [["a", "d"]],
    removed: ["c"],
    unused: ["@c"],
  });
  assertEquals(planOf([], { sandboxes: ["alone"] }), {
    files: [["@alone", "alone"]],
    removed: [],
    unused: [],
  });
});

Deno.test("a sandbox on so many networks that their ids make no file name has its own file", () => {
  const endpoints = Array.from(
    { length: 17 },
    (_, ordinal) => endpoint("c", `${ordinal}`.padStart(64, "0"), { ordinal }),
  );
  assertEquals(planOf(endpoints, { sandboxes: ["c"] }).files, [["@c", "c"]]);
  const [[key]] = planOf(endpoints.slice(1), { sandboxes: ["c"] }).files as [string[]];
  assertEquals(key!.length, 16 * 13 - 1);
});

Deno.test("only root's mounts are changed, each once, and only if the old file is mounted there", () => {
  /** The files of a process. Those of this one have the numbers 1 and 2. */
  const process = (pid: number, root: number, hosts: number, user: number, mount: number) =>
    Object.entries({ "root/": root, "root/etc/hosts": hosts, "ns/user": user, "ns/mnt": mount })
      .map(([file, ino]) => ({ path: `/proc/${pid}/${file}`, dev: 0, ino }));
  const files = [
    { path: "/", dev: 0, ino: 1 },
    { path: "/proc/self/ns/user", dev: 0, ino: 2 },
    ...process(11, 1, 50, 2, 100),
    ...process(12, 1, 50, 2, 100),
    ...process(13, 1, 50, 2, 101),
    // A container, another user namespace, and the machine's file.
    ...process(14, 9, 50, 2, 102),
    ...process(15, 1, 50, 9, 103),
    ...process(16, 1, 60, 2, 104),
  ];
  assertEquals(mountsOf([11, 12, 13, 14, 15, 16, 17], files, 50), [12, 13]);
});
