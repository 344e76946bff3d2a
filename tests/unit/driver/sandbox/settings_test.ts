import { assertEquals } from "@std/assert";
import { settingsProblems, sysctlPath } from "../../../../lib/driver/model/settings.ts";
import {
  ownHostLines,
  renderResolvConf,
  SettingsKeeper,
  withHostname,
} from "../../../../lib/driver/sandbox/settings.ts";
import type { SandboxSettings } from "../../../../lib/driver/model/types.ts";
import { lstatOf } from "../../../../lib/base/files.ts";
import { assertRejectsError } from "../../../kit/errors.ts";
import { temporaryFolder } from "../../../kit/worlds.ts";

const GOOD: SandboxSettings[] = [
  {},
  { hostname: "web" },
  { hostname: "web-1.example.com" },
  { hostname: `${"a".repeat(60)}.net` },
  { hosts: [{ name: "db.lan", address: "192.0.2.9" }, { name: "db.lan", address: "fd00::9" }] },
  { dns: { servers: ["192.0.2.53", "2001:db8::53"], search: ["example.com", "."] } },
  { dns: { options: ["ndots:2", "use-vc"] } },
  { sysctls: { "net.ipv4.ip_forward": "1", "net/ipv4/conf/eth0.20/rp_filter": "2" } },
  { sysctls: { "net.ipv4.conf.eth0/20.rp_filter": "2", "net.ipv4.ip_local_port_range": "1 9" } },
];

const WRONG: [settings: SandboxSettings, value: string][] = [
  [{ hostname: "" }, ""],
  [{ hostname: "a b" }, "a b"],
  [{ hostname: "-a" }, "-a"],
  [{ hostname: "a..b" }, "a..b"],
  [{ hostname: "a".repeat(64) }, "a".repeat(64)],
  [{ hostname: `${"a".repeat(60)}.home` }, `${"a".repeat(60)}.home`],
  [{ hostname: "$(id)" }, "$(id)"],
  [{ hosts: [{ name: "a b", address: "192.0.2.9" }] }, "a b"],
  [{ hosts: [{ name: "db", address: "192.0.2.9 x" }] }, "192.0.2.9 x"],
  [{ hosts: [{ name: "db", address: "host-gateway" }] }, "host-gateway"],
  [{ dns: { servers: ["dns.example.com"] } }, "dns.example.com"],
  [{ dns: { servers: ["192.0.2.53\noptions debug"] } }, "192.0.2.53\noptions debug"],
  [{ dns: { search: ["a b"] } }, "a b"],
  [{ dns: { options: ["a b"] } }, "a b"],
  [{ sysctls: { "kernel.shmmax": "1" } }, "kernel.shmmax"],
  [{ sysctls: { "net.//.//.kernel.core_pattern": "1" } }, "net.//.//.kernel.core_pattern"],
  [{ sysctls: { "net/../kernel/core_pattern": "1" } }, "net/../kernel/core_pattern"],
  [{ sysctls: { "net.ipv4.$(id)": "1" } }, "net.ipv4.$(id)"],
  [{ sysctls: { "net.ipv4.x": `1"; id` } }, `1"; id`],
  [{ sysctls: { "net.ipv4.x": "1\n2" } }, "1\n2"],
];

Deno.test("settings that a sandbox can have are taken", () => {
  for (const settings of GOOD) assertEquals(settingsProblems(settings), []);
});

for (const [settings, value] of WRONG) {
  Deno.test(`the setting ${JSON.stringify(value).slice(0, 40)} is refused`, () => {
    const [problem, ...more] = settingsProblems(settings);
    assertEquals([problem?.message.includes(JSON.stringify(value)), more], [true, []]);
  });
}

Deno.test("the path of a sysctl has a slash for a dot of its name, and the other way round", () => {
  const path = "net/ipv4/conf/eth0.20/rp_filter";
  assertEquals([path, "net.ipv4.conf.eth0/20.rp_filter"].map(sysctlPath), [path, path]);
});

Deno.test("a resolv.conf has what is given, and the rest as on this machine", () => {
  const machine = "# made by x\nnameserver 192.0.2.1\nsearch lan\n  options edns0\n";
  const first = "# Written by ipvlan-kit; changes will be lost\n";
  const render = (dns: SandboxSettings["dns"]) => renderResolvConf(machine, dns!);
  assertEquals(render({}), `${first}nameserver 192.0.2.1\nsearch lan\noptions edns0\n`);
  assertEquals(
    render({ servers: ["192.0.2.53", "192.0.2.54"], search: ["a.example", "b.example"] }),
    `${first}nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch a.example b.example\noptions edns0\n`,
  );
  assertEquals(
    render({ servers: [], search: ["a.example"] }),
    `${first}search a.example\noptions edns0\n`,
  );
  assertEquals(
    render({ search: ["."], options: ["ndots:2", "rotate"] }),
    `${first}nameserver 192.0.2.1\noptions ndots:2 rotate\n`,
  );
});

/** A machine on which each command prints a name server, or fails. */
function machine(folder: string, isRehearsal: boolean) {
  const [ran, reported]: [string[], string[]] = [[], []];
  let err: string[] = [];
  const keeper = new SettingsKeeper({
    run: (line) => {
      ran.push(line);
      return Promise.resolve({ code: err.length, out: ["nameserver 192.0.2.1"], err });
    },
    report: (line) => reported.push(line),
    isRehearsal,
  }, folder);
  return { keeper, ran, reported, fail: (...lines: string[]) => err = lines };
}

const SETTINGS = { dns: { search: ["lan"] }, sysctls: { "net.ipv4.x": "1" } };

Deno.test("settings are applied and removed, and a rehearsal only says how", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/c1/resolv.conf`;
  const there = machine(folder.path, false);
  await there.keeper.apply("c1", SETTINGS);
  assertEquals(there.ran, [
    "cat /etc/resolv.conf",
    `ip netns exec c1 sh -c 'echo "1" >/proc/sys/net/ipv4/x'`,
  ]);
  assertEquals(there.reported, ["ip netns exec c1 sysctl -w 'net.ipv4.x=1'"]);
  const text = renderResolvConf("nameserver 192.0.2.1", SETTINGS.dns);
  assertEquals(Deno.readTextFileSync(path), text);
  const rehearsed = machine(folder.path, true);
  rehearsed.keeper.remove("c1");
  assertEquals(Deno.readTextFileSync(path), text);
  there.keeper.remove("c1");
  assertEquals(lstatOf(path), undefined);
  await rehearsed.keeper.apply("c1", SETTINGS);
  assertEquals([rehearsed.ran, rehearsed.reported], [[], there.reported]);
  assertEquals(lstatOf(path), undefined);
});

Deno.test("a setting that cannot be applied says why", async () => {
  await using folder = await temporaryFolder();
  const { keeper, fail } = machine(folder.path, false);
  fail("No such file");
  const { sysctls, dns } = SETTINGS;
  await assertRejectsError(() => keeper.apply("c1", { sysctls }), "sysctl", "No such file");
  Deno.writeTextFileSync(`${folder.path}/c1`, "");
  await assertRejectsError(() => keeper.apply("c1", { dns }), "resolv-conf", "c1");
});

Deno.test("a command without a host name of its own is left as it is", () => {
  assertEquals(withHostname(undefined, ["a", "b"]), ["a", "b"]);
});

Deno.test("the hosts file of a sandbox has its host name, and the names that it was given", () => {
  assertEquals(ownHostLines({}, [{ ip: "10.0.0.2" }]), []);
  const hosts = [{ name: "db.lan", address: "192.0.2.9" }];
  assertEquals(
    ownHostLines({ hostname: "web", hosts }, [{ ip: "10.0.0.2", ip6: "fd00::2" }, {}]),
    ["10.0.0.2 web", "fd00::2 web", "192.0.2.9 db.lan"],
  );
});
