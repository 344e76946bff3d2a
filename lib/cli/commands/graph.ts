import { buildWorld, toMermaid, toSvg, toText, WANTED, type World } from "../../graph/mod.ts";
import { lookAround } from "../../iproute2/view.ts";
import type { Command } from "../command.ts";
import { invalidOption } from "../../base/errors.ts";

const FORMATS: Record<string, (world: World) => string> = {
  text: (world) => toText(world, Deno.stdout.isTerminal() ? Deno.consoleSize().columns : 100),
  mermaid: toMermaid,
  svg: toSvg,
  json: (world) => JSON.stringify(world, null, 4),
};

export default {
  usage: "[OPTIONS]",
  example: `ipvlan graph
ipvlan graph --format svg > ipvlan.svg`,
  options: {
    "--format FORMAT": `${Object.keys(FORMATS).join(", ")}; default text`,
    "--json": "the same as --format json",
  },
  asks: true,
  async run(args, { open, print, interrupted: signal }) {
    const format = args.on("json") ? "json" : args.value("format") ?? "text";
    const show = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
    if (!show) {
      const choices = Object.keys(FORMATS).join(", ");
      throw invalidOption("format", format, `choose one of ${choices}`);
    }
    await using driver = await open();
    const sandboxes = driver.listSandboxes();
    const files = sandboxes.flatMap(({ path }) => path ?? []);
    const view = await lookAround(WANTED, { files, signal });
    print(show(buildWorld(view, driver.listNetworks(), sandboxes)));
  },
} satisfies Command;
