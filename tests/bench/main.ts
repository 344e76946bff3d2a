/**
 * `deno task bench`: measures this project against its peers, as ratios of times that were taken in turns.
 *
 * @module
 */
import { LabError } from "../../lab/errors.ts";
import { allowedCpus } from "../../lab/machine.ts";
import { HELP, parse, type Request } from "./args.ts";
import { type Part, render, type Report, toJson } from "./figures.ts";
import { hostFigures } from "./hosts.ts";
import { measureInLab } from "./lab.ts";
import { draw } from "./svg.ts";
import { say } from "./turns.ts";

/** Measures the parts one after another. What fails is said, and the others are measured. */
async function measure({ parts, job, engine }: Request): Promise<Report & { problems: string[] }> {
  const report = {
    cpus: (await allowedCpus()).length,
    parts: [] as Part[],
    problems: [] as string[],
  };
  for (const name of parts) {
    const before = Deno.loadavg()[0]!;
    try {
      const { kernel, figures, problem } = name === "hosts"
        ? { kernel: undefined, figures: await hostFigures(), problem: undefined }
        : await measureInLab(name, job(name), engine);
      // Read the machine's load here: inside, the lab shows only its own.
      const load: Part["load"] = [before, Deno.loadavg()[0]!];
      if (figures.length > 0) report.parts.push({ name, kernel, load, figures });
      if (problem !== undefined) report.problems.push(problem);
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      report.problems.push(error.message);
    }
  }
  return report;
}

const request = parse(Deno.args);
if (request === undefined) {
  console.log(HELP.trimEnd());
} else if ("problems" in request) {
  for (const problem of request.problems) say(problem);
  say("See --help");
  Deno.exit(2);
} else {
  const { problems, ...report } = await measure(request);
  if (report.parts.length > 0) {
    console.log(render(report));
    for (const [file, text] of [[request.json, toJson(report)], [request.svg, draw(report)]]) {
      if (file === undefined) continue;
      await Deno.writeTextFile(file, text!).catch((error) => problems.push(error.message));
    }
  }
  for (const problem of problems) say(problem);
  if (problems.length > 0) Deno.exit(1);
}
