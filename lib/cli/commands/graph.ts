import { invalidOption } from "../../base/errors.ts";
import { buildWorld, toSvg, toText, WANTED, type World } from "../../graph/mod.ts";
import { lookAround } from "../../iproute2/view.ts";
import type { Command } from "../command.ts";
import { usageError } from "../errors.ts";
import { askWhy } from "./why.ts";

const FORMATS: Record<string, (world: World) => string> = {
  text: (world) => toText(world, Deno.stdout.isTerminal() ? Deno.consoleSize().columns : 100),
  svg: toSvg,
  json: (world) => JSON.stringify(world, null, 4),
};

const CHOICES = Object.keys(FORMATS).join(", ");

export default {
  usage: "[OPTIONS] [FROM] [TO]",
  example: `ipvlan graph
ipvlan graph --format svg > ipvlan.svg
ipvlan graph --path c1 c2`,
  options: {
    "--path": "mark the way of a packet from FROM to TO, as ipvlan why finds it",
    "--format FORMAT": `${CHOICES}; default text`,
    "--json": "the same as --format json",
  },
  asks: true,
  async run(args, { command, open, print, interrupted: signal }) {
    const { positionals } = args;
    const hasPath = args.on("path");
    if (positionals.length !== (hasPath ? 2 : 0)) {
      throw usageError(command, [`Give FROM and TO with --path: ${command} --path c1 c2`]);
    }
    const format = args.on("json") ? "json" : args.value("format") ?? "text";
    const show = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
    if (!show) throw invalidOption("format", format, `choose one of ${CHOICES}`);
    await using driver = await open();
    const sandboxes = driver.listSandboxes();
    const files = sandboxes.flatMap(({ path }) => path ?? []);
    const answer = hasPath ? await askWhy(driver, positionals, { signal }) : undefined;
    const view = answer?.view ?? await lookAround(WANTED, { files, signal });
    const path = answer && {
      verdict: answer.verdict,
      steps: [...answer.there, ...answer.back],
      text: answer.text.split("\n"),
    };
    print(show(buildWorld(view, driver.listNetworks(), sandboxes, path)));
  },
} satisfies Command;
