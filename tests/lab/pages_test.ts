// The lines of the pages about the command, as a reader pastes them.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { withRouter } from "../../scenarios/kit/engines/machine.ts";
import { blocks } from "../kit/pages.ts";
import { run } from "../kit/processes.ts";
import { commandFolder } from "../kit/worlds.ts";

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
