import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import { ipvlan } from "../kit/command.ts";
import { seeSandbox, seeWorld } from "../kit/look.ts";
import { run } from "../kit/processes.ts";
import { Terminal } from "../kit/terminal.ts";
import { commandHost, siteFile, temporaryFolder } from "../kit/worlds.ts";

const ONE = `
networks: { one: { parent: eth0.20, subnets: [192.168.20.0/24] } }
sandboxes: { a: { networks: [one], command: [sleep, "1000"] } }
`;
const OTHER = `
networks: { other: { parent: eth0.30, subnets: [192.168.30.0/24] } }
sandboxes: { b: { networks: [other] } }
`;

Deno.test("apply touches nothing that another file of the same name has made, without --yes", async () => {
  await using _host = await commandHost();
  await using one = await siteFile(ONE, "site");
  await using other = await siteFile(OTHER, "site");
  const empty = await seeWorld();
  assertEquals((await ipvlan("apply", one.path)).status, 0);
  const before = await seeWorld();
  const path = await Deno.realPath(one.path);
  const refused = [1, [
    "ipvlan: These changes remove something, interrupt connectivity, or touch what belongs to " +
    "another file: say --yes to make them",
    `ipvlan: - network one: belongs to ${path}`,
    `ipvlan: - sandbox a: belongs to ${path}`,
  ]];
  const said = ({ status, err }: { status: number; err: string }) => [status, err.split("\n")];
  assertEquals(said(await ipvlan("apply", other.path)), refused);
  assertEquals(said(await ipvlan("destroy", other.path)), [2, [
    "ipvlan: Not a terminal, so cannot ask: use --yes",
    'ipvlan: See "ipvlan destroy --help"',
  ]]);
  assertEquals(await seeWorld(), before);
  const shown = await ipvlan("diff", other.path);
  assertEquals(shown.status, 2);
  assertStringIncludes(shown.out, `- sandbox a: belongs to ${path}`);

  // Nor does a change that costs nothing else.
  await Deno.writeTextFile(other.path, ONE.replace("sandboxes: { a:", "sandboxes: { c: {}, a:"));
  assertEquals((await ipvlan("apply", other.path)).status, 0);
  const harmless = ONE.replace("command:", "labels: { x: y }, command:");
  await Deno.writeTextFile(
    other.path,
    harmless.replace("sandboxes: { a:", "sandboxes: { c: {}, a:"),
  );
  const labelled = await ipvlan("apply", other.path);
  assertEquals(labelled.status, 1);
  assertStringIncludes(labelled.err, `~ sandbox a: labels none -> x=y; belongs to ${path}`);

  // With consent, all of it belongs to the other file from then on.
  await Deno.writeTextFile(other.path, OTHER);
  assertEquals((await ipvlan("apply", "--yes", other.path)).status, 0);
  const back = await ipvlan("apply", one.path);
  assertStringIncludes(back.err, `- sandbox b: belongs to ${await Deno.realPath(other.path)}`);
  assertEquals((await ipvlan("destroy", "--yes", other.path)).status, 0);
  assertEquals(await seeWorld(), empty);
});

Deno.test("apply asks before it removes something of the file's own", async () => {
  await using _host = await commandHost();
  await using file = await siteFile(ONE, "site");
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  const before = await seeWorld();
  await Deno.writeTextFile(file.path, OTHER);
  const { status, err } = await ipvlan("apply", file.path);
  assertEquals([status, err.split("\n").slice(1)], [1, [
    "ipvlan: - network one",
    "ipvlan: - sandbox a",
  ]]);
  assertEquals(await seeWorld(), before);
  const rehearsed = await ipvlan("apply", "--dry-run", file.path);
  assertEquals(rehearsed.status, 0);
  assertStringIncludes(rehearsed.out, "ip netns del a");
  assertMatch(rehearsed.out, /^kill -s KILL \d+$/m);
  assertEquals(await seeWorld(), before);
  assertEquals((await ipvlan("apply", "--yes", file.path)).status, 0);
  assertEquals((await ipvlan("destroy", "--yes", file.path)).status, 0);
});

Deno.test("destroy asks at a terminal before it removes anything, and goes by the answer", async () => {
  await using _host = await commandHost();
  await using file = await siteFile(ONE, "site");
  const empty = await seeWorld();
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  const before = await seeWorld();
  for (const [answer, status] of [["n", 1], ["y", 0]] as const) {
    await using terminal = new Terminal(`exec $IPVLAN destroy ${file.path}`);
    await terminal.shows(/Remove everything that the site "site" has made\? \[y\/N\] $/);
    assertEquals(await seeWorld(), before);
    await terminal.type(`${answer}\n`);
    assertEquals([answer, await terminal.ended], [answer, status]);
    assertMatch(terminal.text, answer === "n" ? /\[y\/N\] n\r\n$/ : /2 removed/);
    assertEquals(await seeWorld(), answer === "n" ? before : empty);
  }
});

Deno.test("a file is the same by another path, and where it has been moved or came by standard input", async () => {
  await using _host = await commandHost();
  await using folder = await temporaryFolder();
  const path = `${folder.path}/site.yaml`;
  const grown = (text: string, name: string) =>
    text.replace("sandboxes: {", `sandboxes: { ${name}: {},`);
  await Deno.writeTextFile(path, ONE);
  assertEquals((await ipvlan("apply", path)).status, 0);
  // By a link, and by a relative path.
  await Deno.mkdir(`${folder.path}/links`);
  await Deno.symlink("../site.yaml", `${folder.path}/links/site.yaml`);
  await Deno.writeTextFile(path, grown(ONE, "c"));
  assertEquals((await ipvlan("apply", `${folder.path}/links/../links/site.yaml`)).status, 0);
  const text = ONE.replace("command:", "labels: { x: y }, command:");
  await Deno.writeTextFile(path, grown(text, "c"));
  assertEquals((await ipvlan("apply", `${folder.path}/links/site.yaml`)).status, 0);
  // A file that is moved as it is keeps what it has made, and may be changed there.
  await Deno.mkdir(`${folder.path}/moved`);
  const moved = `${folder.path}/moved/site.yaml`;
  await Deno.rename(path, moved);
  assertMatch((await ipvlan("apply", moved)).out, /^Nothing to do/);
  const again = ONE.replace("command:", "labels: { x: z }, command:");
  await Deno.writeTextFile(moved, grown(again, "c"));
  assertEquals((await ipvlan("apply", moved)).status, 0);
  // One that gets another name needs the site's.
  const renamed = `${folder.path}/moved/web.yaml`;
  await Deno.rename(moved, renamed);
  const { status, err } = await ipvlan("apply", renamed);
  assertEquals(status, 1);
  assertStringIncludes(
    err,
    `The sandbox "a" is there already and belongs to the site "site", which this file made as ` +
      `${await Deno.realPath(`${folder.path}/moved`)}/site.yaml: say "name: site" in it`,
  );
  await Deno.rename(renamed, moved);
  assertEquals((await ipvlan("destroy", "--yes", moved)).status, 0);
  // What comes by standard input belongs to standard input.
  const apply = (text: string) =>
    run(
      "sh",
      "-c",
      `printf '%s' '${text}' | ${Deno.execPath()} run -A --no-check --cached-only ` +
        `${new URL("../../cli.ts", import.meta.url).pathname} apply -`,
    );
  const named = `name: site\n${ONE}`;
  assertMatch((await apply(ONE)).stderr, /^ipvlan: -:.*The file's name cannot be a site's name/);
  assertEquals((await apply(named)).code, 0);
  assertEquals((await apply(text.replace("\n", "name: site\n"))).code, 0);
  await Deno.writeTextFile(moved, ONE);
  assertStringIncludes(
    (await ipvlan("apply", moved)).err,
    "~ sandbox a: labels x=y -> none; belongs to standard input",
  );
  assertEquals((await ipvlan("destroy", "--yes", moved)).status, 0);
});

Deno.test("a sandbox that is made anew keeps its connections to networks that others made", async () => {
  await using _host = await commandHost();
  await using file = await siteFile(ONE, "site");
  await using other = await siteFile("networks: { far: { subnets: [10.4.0.0/24] } }", "other");
  assertEquals((await ipvlan("apply", file.path)).status, 0);
  assertEquals((await ipvlan("apply", other.path)).status, 0);
  await using driver = await Driver.open();
  await driver.createNetwork({ name: "lan", subnets: ["10.3.0.0/24", "fd03::/64"] });
  await driver.createSandbox({ name: "guest", connections: [{ network: "lan" }] });
  const connection = { ip: "10.3.0.9", ip6: "fd03::9", aliases: ["db"], ifname: "lan0" };
  await driver.connect("lan", "a", connection);
  await driver.connect("far", "a", { ip: "10.4.0.7" });
  const look = async () => [driver.inspectSandbox("a").endpoints, await seeSandbox("a")];
  const before = await look();
  const apply = async (...changes: [from: string, to: string][]) => {
    const text = changes.reduce((text, [from, to]) => text.replace(from, to), ONE);
    await Deno.writeTextFile(file.path, text);
    return await ipvlan("apply", "--yes", file.path);
  };
  const anew: [string, string] = ["[sleep, ", "[sleep, infinity, "];
  const failing: [string, string] = ["sandboxes:", "checks: [a reaches 10.3.0.77]\nsandboxes:"];
  for (const changes of [[anew], [failing]]) {
    const [pid] = await driver.processes("a");
    const { status, out } = await apply(...changes);
    assertEquals(status, changes.includes(failing) ? 1 : 0, out);
    assert((await driver.processes("a"))[0] !== pid, "it was not made anew");
    assertEquals(await look(), before);
  }
  const ping = await driver.exec("guest", ["ping", "-c", "1", "-W", "5", "db"]).output();
  assertEquals(ping.code, 0);
  assertEquals((await ipvlan("destroy", "--yes", file.path)).status, 0);
  assertEquals((await ipvlan("destroy", "--yes", other.path)).status, 0);
});
