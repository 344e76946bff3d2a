import { assertEquals } from "@std/assert";
import { FIRST_LINES } from "../../../scenarios/kit/playground.ts";
import { blocks } from "../../kit/pages.ts";

/** Runs the scenarios' program with these words. */
async function scenarios(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", new URL("../../../scenarios/main.ts", import.meta.url).pathname]
      .concat(words),
    env: { NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("unknown options and scenarios are all reported in one line", async () => {
  const { code, out, err } = await scenarios("l2", "nothing", "--no-option", "nowhere");
  assertEquals(code, 2);
  assertEquals(out, "");
  assertEquals(err.trimEnd().split("\n").length, 1);
  const message = 'There is no option --no-option; There is no scenario "nothing"; ' +
    'There is no scenario "nowhere"; the scenarios are ';
  assertEquals(err.slice(0, message.length), message);
});

Deno.test("the list has a line for each scenario", async () => {
  const { code, out } = await scenarios("--list");
  assertEquals(code, 0);
  assertEquals(/^l2 +Ipvlan L2 mode: .+$/m.test(out), true);
});

Deno.test("the lines that the playground suggests begin as those of the README", () => {
  const [network, probe] = FIRST_LINES;
  assertEquals(blocks("README.md", "sh")[2]!.split("\n").slice(0, 2), [network, probe]);
});
