// The lines of the pages, as a reader pastes them.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { withRouter } from "../../scenarios/kit/engines/machine.ts";
import { blocks } from "../kit/pages.ts";
import { run } from "../kit/processes.ts";
import { commandFolder, temporaryFile } from "../kit/worlds.ts";

/** Runs a test in a folder, beside the router. The lab has `ipvlan` on PATH. */
async function withCommand(
  test: (lines: (text: string) => Promise<string>, folder: string) => Promise<void>,
): Promise<void> {
  await using ip = await Ip.open();
  await using _router = await withRouter(ip);
  await using folder = await commandFolder();
  const { path } = folder;
  const lines = async (text: string) => {
    const { code, stdout, stderr } = await run("sh", "-ec", `cd ${path}; ${text}`);
    assertEquals(code, 0, stderr);
    return stdout;
  };
  await test(lines, path);
}

Deno.test("the lines about the command work, and those of the README are the same", () =>
  withCommand(async (lines) => {
    const [, make = "", templates = ""] = blocks("docs/command.md", "sh");
    assertEquals(blocks("README.md", "sh")[2], make);
    const out = await lines(make);
    assertStringIncludes(out, "1 packets transmitted, 1 packets received");
    assertStringIncludes(out, "default via 192.168.20.1 dev eth0");
    assertMatch(out, /^web .* ipvlan20/m);
    assertStringIncludes(await lines(templates), "192.168.20.10 \n");
  }));

Deno.test("the lines about site files work", () =>
  withCommand(async (lines, folder) => {
    const page = "docs/site-files.md";
    const [site = ""] = blocks(page, "yaml");
    await Deno.writeTextFile(`${folder}/web.yaml`, site);
    const [all = ""] = blocks(page, "sh");
    // It says by its status that something differs.
    const out = await lines(all.replace(/^(ipvlan diff \S+)/m, "$1 || [ $? = 2 ]"));
    assertStringIncludes(out, "probe reaches web");
    assertEquals(await lines("ipvlan ps -q"), "");
  }));

Deno.test("the trunk on the page about the module carries a ping, and is removed", async () => {
  await using ip = await Ip.open();
  const before = [await ip.netns.list(), (await ip.link.show()).map(({ name }) => name)];
  await using undo = new AsyncDisposableStack();
  for (const name of ["a", "b"]) undo.defer(() => ip.netns.del(name).catch(() => {}));
  undo.defer(() => ip.link.del("sw").catch(() => {}));
  const script = undo.use(
    await temporaryFile(
      blocks("docs/module.md", "ts").find((text) => text.includes("802.1ad"))!
        .replace("jsr:@ipvlan/kit/ip", import.meta.resolve("../../lib/iproute2/mod.ts")),
    ),
  );
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { code, stdout, stderr } = await run(
    ...[Deno.execPath(), "run", "-A", "--no-check", "--cached-only", "--ext", "ts"],
    ...["--config", config, script.path],
  );
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^true$/m);
  assertMatch(stdout, /vlanProtocol: "802.1ad"/);
  assertMatch(stdout, /id: 100, pvid: false, untagged: false, received: [1-9]/);
  assertEquals([await ip.netns.list(), (await ip.link.show()).map(({ name }) => name)], before);
});
