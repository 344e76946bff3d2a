// Also what "inspect" and "network inspect" share: the option "--format", and its output.
import type { Driver } from "../../driver/mod.ts";
import { type Struct, toJson } from "../../template/mod.ts";
import type { Arguments, Command, Context, Options } from "../command.ts";
import { readTemplate } from "../docker/list.ts";
import { inspectedNetwork } from "../docker/shape.ts";
import { forEachName } from "../errors.ts";
import { COMMON } from "../options.ts";

export const INSPECT_OPTIONS: Options = {
  "-f, --format FORMAT": "json: all in one line; or a Go template, as in Docker: '{{.Name}}'",
};

export type Find = (name: string) => Promise<Struct>;

/** Shows the named items in the requested format. Resolves to the exit status. */
export async function showInFull(
  args: Arguments,
  context: Context,
  finder: (driver: Driver) => Find,
): Promise<number> {
  const format = args.value("format") ?? "";
  const template = format === "" || format === "json"
    ? undefined
    : readTemplate(format, "choose json");
  await using driver = await context.open();
  const find = finder(driver);
  const names = args.positionals;
  const results = await Promise.allSettled(names.map((name) => find(name)));
  const resultByName = new Map(names.map((name, index) => [name, results[index]!]));
  const found: Struct[] = [];
  const printed: string[] = [];
  const status = await forEachName(names, context, (name) => {
    const result = resultByName.get(name)!;
    if (result.status === "rejected") throw result.reason;
    if (template) printed.push(template.print(result.value));
    else found.push(result.value);
  });
  if (!template) context.print(toJson(found, format === "json" ? "" : "    "));
  else if (printed.length > 0) context.print(printed.join("\n"));
  return status;
}

export function networkFinder(driver: Driver): Find {
  // deno-lint-ignore require-await
  return async (name) => inspectedNetwork(driver.inspectNetwork(name), driver.addressUsage(name));
}

export default {
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  example: "ipvlan network inspect ipvlan20\n" +
    "ipvlan network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{end}}' ipvlan20",
  options: { ...INSPECT_OPTIONS, "-v, --verbose": COMMON["--verbose"] },
  run: (args, context) => showInFull(args, context, networkFinder),
} satisfies Command;
