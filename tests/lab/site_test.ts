import { IpvlanError } from "../../lib/base/errors.ts";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { Driver } from "../../lib/driver/mod.ts";
import { LINK_GROUP } from "../../lib/driver/network/parent.ts";
import { apply, destroy, parseSite, readSite } from "../../lib/site/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { ipvlan } from "../kit/command.ts";
import { ETC, filesOf } from "../kit/look.ts";
import { commandHost, siteFile } from "../kit/worlds.ts";
import { assertError } from "../kit/errors.ts";

const SITE = `
networks:
  web: { parent: eth0.20, subnets: [192.168.20.0/24], gateways: [192.168.20.1] }
  fabric: { mode: l3, parent: eth0, subnets: [10.1.214.0/24, "2001:db8:214::/64"] }
sandboxes:
  probe: { networks: { web: {}, fabric: {} } }
  nginx:
    networks: { web: { ip: 192.168.20.2, aliases: [www] } }
    command: [sleep, "1000"]
    hostname: web.example.com
    dns: { servers: [192.0.2.53] }
    sysctls: { net.ipv4.ip_forward: 1 }
checks:
  - probe reaches nginx
  - web probe reaches www by ip
  - fabric probe does not reach 192.168.20.2
`;

/** The addresses and labels of everything on record, without what is new each time it is made. */
function essence(driver: Driver): unknown {
  return {
    networks: driver.listNetworks().map(({ id: _id, created: _created, parent, ...network }) => ({
      ...network,
      parent: network.isolated ? "its own" : parent,
    })),
    sandboxes: driver.listSandboxes().map(({ id: _id, created: _created, ...sandbox }) => sandbox),
  };
}

/** What a promise is rejected with. */
async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new TypeError("It did not fail");
}

Deno.test("a site is shown, applied, applied again for nothing, and destroyed", async () => {
  await using host = await commandHost();
  await using file = await siteFile(SITE);
  const before = await host.dump();
  const shown = await ipvlan("diff", file.path);
  assertEquals(shown, {
    status: 2,
    out: `+ network web: parent eth0.20 mode l2 192.168.20.0/24
+ network fabric: parent eth0 mode l3 10.1.214.0/24 2001:db8:214::/64
+ sandbox probe: web; fabric
+ sandbox nginx: web 192.168.20.2; hostname web.example.com; dns servers 192.0.2.53; \
sysctls net.ipv4.ip_forward=1; command sleep 1000
4 added, 0 changed, 0 removed`,
    err: "",
  });
  assertEquals(await host.dump(), before);

  const applied = await ipvlan("apply", file.path);
  assertEquals([applied.status, applied.err.split("\n")], [0, [
    "ipvlan: Creating 2 networks",
    "ipvlan: Creating 2 sandboxes",
    "ipvlan: Starting 1 command",
    "ipvlan: Checking 3 things that must hold",
  ]]);
  assertEquals(applied.out.split("\n").slice(4), [
    "ok: probe reaches nginx",
    "ok: web probe reaches www by ip",
    "ok: fabric probe does not reach 192.168.20.2",
    "4 added, 0 changed, 0 removed",
  ]);
  const after = await host.dump();
  await using driver = await Driver.open();
  assertEquals((await driver.processes("nginx")).length, 1);
  // "nginx" has the address that was meant for it, although "probe" comes first in the file.
  assertEquals(driver.inspectSandbox("probe").endpoints[0]!.ip, "192.168.20.3/24");

  assertEquals(await ipvlan("diff", file.path), { status: 0, out: "", err: "" });
  const again = await ipvlan("apply", file.path);
  assertEquals([again.status, again.err], [0, "ipvlan: Checking 3 things that must hold"]);
  assertStringIncludes(again.out, `Nothing to do: everything is as ${file.path} says`);
  assertEquals(await host.dump(), after);

  const destroyed = await ipvlan("destroy", "--yes", file.path);
  assertEquals([destroyed.status, destroyed.out.split("\n").at(-1)], [
    0,
    "0 added, 0 changed, 4 removed",
  ]);
  assertEquals(await host.dump(), before);
});

Deno.test("a change that costs connectivity needs --yes, and other sandboxes keep theirs", async () => {
  await using host = await commandHost();
  await using file = await siteFile(SITE);
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  await using driver = await Driver.open();
  const [pid] = await driver.processes("nginx");
  const before = await host.dump();
  await Deno.writeTextFile(
    file.path,
    SITE.replace("10.1.214.0/24", "10.1.215.0/24").replace("mode: l3", "mode: l3s"),
  );
  const refused = await ipvlan("apply", file.path);
  assertEquals([refused.status, refused.err.split("\n")], [1, [
    "ipvlan: These changes remove something, interrupt connectivity, or touch what belongs to " +
    "another file: say --yes to make them",
    "ipvlan: ~ network fabric: mode l3 -> l3s; subnets 10.1.214.0/24 gateway 10.1.214.1, " +
    "2001:db8:214::/64 gateway 2001:db8:214::1 -> 10.1.215.0/24 gateway 10.1.215.1, " +
    "2001:db8:214::/64 gateway 2001:db8:214::1; is made anew; loses connectivity meanwhile",
    "ipvlan: ~ sandbox probe: is reconnected to fabric (which is made anew); " +
    "loses connectivity meanwhile",
  ]]);
  assertEquals(await host.dump(), before);
  const applied = await ipvlan("apply", "--yes", file.path);
  assertEquals([applied.status, applied.out.split("\n").at(-1)], [
    0,
    "0 added, 2 changed, 0 removed",
  ]);
  assertEquals(driver.inspectSandbox("probe").endpoints[1]!.ip, "10.1.215.2/24");
  assertEquals(await driver.processes("nginx"), [pid]);
  await ipvlan("destroy", "--yes", file.path);
});

Deno.test("other settings make a sandbox anew, and a rollback gives it back those it had", async () => {
  await using host = await commandHost();
  await using file = await siteFile(SITE);
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  await using driver = await Driver.open();
  const before = [essence(driver), filesOf(ETC)];
  const other = SITE.replace("hostname: web", "hostname: www").replace("ip_forward: 1", "x.y: 1");
  await Deno.writeTextFile(file.path, other);
  const line = "~ sandbox nginx: hostname web.example.com -> www.example.com; " +
    "sysctls net.ipv4.ip_forward=1 -> net.ipv4.x.y=1; is made anew; loses connectivity meanwhile";
  const refused = await ipvlan("apply", file.path);
  assertEquals([refused.status, refused.err.split("\n")[1]], [1, `ipvlan: ${line}`]);
  // The kernel has no such setting.
  const failed = await ipvlan("apply", "--yes", file.path);
  assertEquals(failed.status, 1);
  assertStringIncludes(failed.err, 'Cannot set net.ipv4.x.y to 1 in "nginx"');
  assertEquals([essence(driver), filesOf(ETC)], before);

  await Deno.writeTextFile(file.path, other.replace("x.y: 1", "ip_forward: 0"));
  assertEquals((await ipvlan("apply", "--yes", file.path)).status, 0);
  assertEquals(driver.inspectSandbox("nginx").hostname, "www.example.com");
  const { stdout } = await driver.exec("nginx", ["cat", "/proc/sys/net/ipv4/ip_forward"]).output();
  assertEquals(new TextDecoder().decode(stdout), "0\n");
  const again = await host.dump();
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  assertEquals(await host.dump(), again);
  await ipvlan("destroy", "--yes", file.path);
});

Deno.test("what a site's command prints is kept for logs, until its sandbox goes", async () => {
  await using _host = await commandHost();
  const site = (text: string) =>
    `sandboxes: { c: { hostname: web, command: [sh, -c, 'uname -n; echo ${text} >&2; exit 3'] } }`;
  await using file = await siteFile(site("first"));
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  assertEquals((await ipvlan("logs", "-f", "c")).out, "web\nfirst");
  assertEquals((await ipvlan("wait", "c")).out, "3");
  await Deno.writeTextFile(file.path, site("second"));
  assertEquals((await ipvlan("apply", "--yes", file.path)).status, 0);
  assertEquals((await ipvlan("logs", "-f", "c")).out, "web\nsecond");
  assertEquals((await ipvlan("destroy", "--yes", file.path)).status, 0);
  assertEquals((await ipvlan("logs", "c")).status, 1);
});

Deno.test("a check that does not hold undoes all of it, unless it is to be kept", async () => {
  await using _host = await commandHost();
  await using driver = await Driver.open();
  const first = parseSite("demo.yaml", SITE);
  await apply(driver, first);
  const before = essence(driver);
  const wrong = parseSite(
    "demo.yaml",
    SITE.replace("mode: l3", "mode: l3s").replace("does not reach 192.168.20.2", "reaches nginx")
      .replace("  probe:", "  more: { networks: [web] }\n  probe:")
      .replace('[sleep, "1000"]', '[sleep, "2000"]'),
  );
  const error = await failure(apply(driver, wrong, { yes: true }));
  assertError(error, "checks-failed");
  assertEquals(error.findings.map(({ sentence }) => sentence), ["fabric probe reaches nginx"]);
  assert(error.findings[0]!.evidence.length > 0);
  assertEquals(essence(driver), before);
  assertEquals((await driver.processes("nginx")).length, 1);

  assertError(
    await failure(apply(driver, wrong, { yes: true, keep: true })),
    "checks-failed",
  );
  assertEquals(driver.inspectNetwork("fabric").mode, "l3s");
  assertEquals(driver.listSandboxes().map(({ name }) => name), ["more", "nginx", "probe"]);
  await destroy(driver, "demo");
});

Deno.test("a step that fails undoes all of it, and so does an interrupt", async () => {
  await using host = await commandHost();
  const empty = await host.dump();
  await using driver = await Driver.open();
  // What is wrong on this machine is found before anything is done, all of it.
  const nowhere = parseSite(
    "demo.yaml",
    "networks: { a: { parent: nope }, b: { parent: eth0.20 }, c: { parent: lo } }",
  );
  const said: string[] = [];
  const missing = await failure(apply(driver, nowhere, { progress: (line) => said.push(line) }));
  assertStringIncludes(String(missing), 'There is no link "nope" to be the parent');
  assertStringIncludes(String(missing), 'The link "lo" cannot be a parent');
  assertEquals(said, []);
  assertEquals(await host.dump(), empty);

  // By hand: a network on the parent whose mode the site is about to change.
  await driver.createNetwork({ name: "by_hand", parent: "eth0", mode: "l3" });
  await driver.createSandbox({ name: "guest", connections: [{ network: "by_hand" }] });
  const site = parseSite("demo.yaml", SITE);
  await apply(driver, site);
  const before = essence(driver);
  const other = parseSite("demo.yaml", SITE.replace("mode: l3", "mode: l3s"));
  assertError(await failure(apply(driver, other, { yes: true })), "parent-conflict");
  assertEquals(essence(driver), before);

  const grown = parseSite("demo.yaml", `${SITE.replace(/checks:[^]*/, "")}  late: {}`);
  const interrupted = parseSite("demo.yaml", `${SITE.replace("networks:", "networks:\n  new:")}`);
  for (const step of ["Creating", "Checking"]) {
    const interrupt = new AbortController();
    const options = {
      signal: interrupt.signal,
      progress: (line: string) => line.startsWith(step) && interrupt.abort(),
    };
    assertError(await failure(apply(driver, interrupted, options)), "interrupted");
    assertEquals(essence(driver), before);
  }
  // A signal that was aborted before ends the wait for another call.
  await driver.sequence(async () => {
    const waiting = apply(driver, interrupted, { signal: AbortSignal.abort() });
    assertError(await failure(waiting), "interrupted");
  });
  assertEquals((await apply(driver, grown)).changes, ["+ sandbox late"]);

  // What the site did not make is there as before, and in nobody's way.
  await destroy(driver, "demo");
  assertEquals(driver.listSandboxes().map(({ name }) => name), ["guest"]);
  assertEquals(driver.listNetworks().map(({ name }) => name), ["by_hand"]);
  await driver.removeSandbox("guest");
  await driver.removeNetwork("by_hand");
  assertEquals(await host.dump(), empty);
});

Deno.test("apply reports what it could not undo, and the next apply completes it", async () => {
  await using _host = await commandHost();
  let failing = false;
  await using driver = await Driver.open();
  const site = parseSite("demo.yaml", SITE.replace(/checks:[^]*/, ""));
  const { removeSandbox, label, withSignal } = driver;
  const boom = (what: string) => () =>
    Promise.reject(
      new IpvlanError("parent-conflict", { parent: what, current: "", users: [], asked: "" }),
    );
  driver.label = boom("first");
  driver.removeSandbox = (...words) =>
    failing ? boom("second")() : removeSandbox.apply(driver, words);
  driver.withSignal = () => driver;
  failing = true;
  const error = await failure(apply(driver, site));
  assertError(error, "not-rolled-back");
  assertStringIncludes(error.message, '"first"');
  assertStringIncludes(error.message, '"second"');
  Object.assign(driver, { removeSandbox, label, withSignal });
  await apply(driver, site);
  assertEquals((await apply(driver, site)).changes, []);
  await destroy(driver, "demo");
});

Deno.test("two at once are applied one after the other", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  const site = parseSite("demo.yaml", SITE.replace(/checks:[^]*/, ""));
  const neighbour = parseSite(
    "other.yaml",
    "networks: { lan: { parent: eth0.30, subnets: [10.3.0.0/24] } }\nsandboxes: { x: { networks: [lan] } }",
  );
  await using one = await Driver.open();
  await using two = await Driver.open();
  const reports = await Promise.all([
    apply(one, site),
    apply(two, site),
    apply(two, neighbour),
  ]);
  assertEquals(reports.map(({ changes }) => changes.length).sort(), [0, 2, 4]);
  assertEquals((await Promise.all([destroy(one, "demo"), destroy(two, "other")])).length, 2);
  assertEquals(await host.dump(), before);
});

Deno.test("killed at any line, it is completed by applying it again", async () => {
  await using host = await commandHost();
  await using file = await siteFile(SITE.replace(/checks:[^]*/, ""));
  const before = await host.dump();
  let count = 0;
  await using driver = await Driver.open({ verbose: () => void count++ });
  const site = await readSite(file.path);
  await apply(driver, site);
  const expected = essence(driver);
  const lines = count;
  await destroy(driver, site);
  const child = fileURLToPath(new URL("site_child.ts", import.meta.url));
  for (let round = 1; round <= 6; round++) {
    const line = Math.ceil(lines * round / 6);
    const { signal } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--cached-only", child, file.path, String(line)],
      stderr: "inherit",
    }).output();
    assertEquals(signal, "SIGKILL", `line ${line}`);
    await apply(driver, site);
    assertEquals(essence(driver), expected, `after line ${line}`);
    assertEquals((await driver.processes("nginx")).length, 1);
    assertEquals((await apply(driver, site)).changes, []);
    await destroy(driver, site);
    assertEquals(await host.dump(), before);
  }
});

Deno.test("a dry run prints the lines that would be run, and changes nothing", async () => {
  await using host = await commandHost();
  await using file = await siteFile(SITE.replace(/checks:[^]*/, ""));
  const before = await host.dump();
  // What is random in a name differs from one time to the other.
  const plain = (lines: string) =>
    lines.split("\n").map((line) =>
      line.replace(/\b(e|p|di)-[0-9a-f]{12}/g, "$1-ID").replace(/ index \d+/, " index N")
    ).sort();
  const rehearsed = await ipvlan("apply", "--dry-run", file.path);
  assertEquals([rehearsed.status, rehearsed.err], [0, ""]);
  assertEquals(await host.dump(), before);
  const applied = await ipvlan("apply", "--verbose", file.path);
  const run = applied.err.split("\n").filter((line) => line.startsWith("+ "));
  assertEquals(
    plain(rehearsed.out).filter((line) => !/^ip netns exec \S+ (?!sysctl)/.test(line)),
    plain(run.map((line) => line.slice(2)).join("\n")),
  );
  assertStringIncludes(rehearsed.out, "ip netns exec nginx sleep 1000");
  const gone = await ipvlan("destroy", "--dry-run", file.path);
  assertStringIncludes(gone.out, "ip netns del nginx");
  await ipvlan("destroy", "--yes", file.path);
  assertEquals(await host.dump(), before);
});

Deno.test("after a restart it is brought back, commands and all", async () => {
  await using host = await commandHost();
  await using driver = await Driver.open();
  const site = parseSite("demo.yaml", SITE);
  await apply(driver, site);
  const before = essence(driver);
  for (const pid of await driver.processes("nginx")) Deno.kill(pid, "SIGKILL");
  for (const name of ["nginx", "probe"]) {
    // The links first: those of a namespace that is deleted go in their own time.
    await using ip = await Ip.open({ netns: name });
    await ip.session.change(`link del group ${LINK_GROUP}`);
    await host.ip.netns.del(name);
  }
  await host.ip.link.del("eth0.20");
  assertEquals((await apply(driver, site)).changes, [
    "~ sandbox probe: is brought back, as its namespace is gone",
    "~ sandbox nginx: is brought back, as its namespace is gone; command sleep 1000 is started",
  ]);
  assertEquals(essence(driver), before);
  assertEquals((await driver.processes("nginx")).length, 1);
  await destroy(driver, "demo");
});

Deno.test("an invalid or conflicting file changes nothing", async () => {
  await using host = await commandHost();
  await using file = await siteFile(SITE);
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  const before = await host.dump();
  const said = async (text: string, command = "apply") => {
    await Deno.writeTextFile(file.path, text);
    const { status, out, err } = await ipvlan(command, file.path);
    assertEquals(out, "");
    return [status, ...err.replaceAll(file.path, "FILE").split("\n")];
  };
  const wrong = "networks: { web: { mode: l9 } }\nsandboxes: { a: { networks: [wbe] } }";
  const problems = [
    1,
    'ipvlan: FILE:1: networks.web.mode: "l9" is not valid: choose one of l2, l3, l3s',
    'ipvlan: FILE:2: sandboxes.a.networks[0]: There is no network "wbe" in this file ' +
    '(did you mean "web"?)',
  ];
  for (const command of ["apply", "diff", "destroy"]) {
    assertEquals(await said(wrong, command), problems);
  }
  const theirs = "name: other\nnetworks: { web: {} }\nsandboxes: { nginx: {} }";
  const foreign = [
    1,
    ...['network "web"', 'sandbox "nginx"'].map((what) =>
      `ipvlan: The ${what} is there already and belongs to the site "demo", which this file made: ` +
      'say "name: demo" in it'
    ),
  ];
  assertEquals(await said(theirs), foreign);
  assertEquals(await said(theirs, "diff"), foreign);
  assertEquals(await said("sandboxes: { a: { command: no-such-program } }"), [
    1,
    'ipvlan: The command "no-such-program" cannot be run: it is not on PATH',
  ]);
  assertEquals(await ipvlan("apply", "/no/such/file.yaml"), {
    status: 1,
    out: "",
    err: "ipvlan: /no/such/file.yaml: There is no such file",
  });
  assertEquals(await host.dump(), before);
  await Deno.writeTextFile(file.path, SITE);
  assertEquals((await ipvlan("destroy", "--yes", file.path)).status, 0);
});

Deno.test("text of a site file cannot forge a line of a plan, nor move the cursor", async () => {
  await using host = await commandHost();
  const before = await host.dump();
  const label = "x\n\u001b[2Ksandbox removed";
  const site = (labels: Record<string, string>, aux: string) =>
    JSON.stringify({
      networks: {
        web: {
          parent: "eth0",
          subnets: ["10.9.0.0/24"],
          labels,
          aux_addresses: { [aux]: "10.9.0.9" },
        },
      },
      sandboxes: { c: { networks: ["web"], labels, command: ["sleep", "1000", label] } },
    });
  await using file = await siteFile(site({}, "router"));
  const shown = await ipvlan("diff", file.path);
  assertEquals(shown.out.split("\n").slice(1), [
    String.raw`+ sandbox c: web; command sleep 1000 "x\n\u001b[2Ksandbox removed"`,
    "2 added, 0 changed, 0 removed",
  ]);
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  await Deno.writeTextFile(file.path, site({ tier: label }, label));
  const changed = await ipvlan("diff", file.path);
  const quoted = String.raw`"tier=x\n\u001b[2Ksandbox removed"`;
  assertEquals(changed.out.split("\n"), [
    "~ network web: subnets 10.9.0.0/24 gateway 10.9.0.1 router 10.9.0.9 -> 10.9.0.0/24 gateway " +
    String.raw`10.9.0.1 "x\n\u001b[2Ksandbox removed" 10.9.0.9; is made anew; ` +
    "loses connectivity meanwhile",
    "~ sandbox c: is reconnected to web (which is made anew); " +
    `labels none -> ${quoted}; loses connectivity meanwhile`,
    "0 added, 2 changed, 0 removed",
  ]);
  // A program gets the very label.
  const details = JSON.parse((await ipvlan("diff", "--json", file.path)).out)[1].details;
  assertEquals(details[1], `labels none -> ${quoted}`);

  await Deno.writeTextFile(file.path, JSON.stringify({ [label]: { a: label }, networks: label }));
  const refused = await ipvlan("apply", file.path);
  assertEquals([refused.status, refused.err.split("\n").length], [1, 2], refused.err);
  assert(!refused.err.includes("\u001b"), refused.err);
  await Deno.writeTextFile(file.path, site({}, "router"));
  assertEquals((await ipvlan("destroy", "--yes", file.path)).status, 0);

  // What is on record reaches a terminal escaped, and a program as it is.
  assertEquals((await ipvlan("network", "create", "--label", `a=${label}\u009b`, "n")).status, 0);
  const { out } = await ipvlan("network", "inspect", "n");
  assert(!out.includes("\u001b") && !out.includes("\u009b"), out);
  assertEquals(JSON.parse(out)[0].Labels, { a: `${label}\u009b` });
  assertEquals((await ipvlan("network", "rm", "n")).status, 0);
  assertEquals(await host.dump(), before);
});
