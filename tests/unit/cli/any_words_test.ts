import fc from "fast-check";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { readTarget } from "../../../lib/cli/commands/run.ts";
import { readPruneFilter, readSelection } from "../../../lib/cli/docker/filter.ts";
import { optionsOf, parseArguments } from "../../../lib/cli/options.ts";
import { refusedOptions } from "../../../lib/cli/docker/refused.ts";
import { readSettings } from "../../../lib/cli/option_values.ts";
import { readUser } from "../../../lib/cli/docker/user.ts";
import { settingsProblems } from "../../../lib/driver/model/settings.ts";
import { IpvlanError, isIpvlanError } from "../../../lib/base/errors.ts";

const SEED = 4711;

/** Runs a function. An error of the project's own is fine, any other one fails the test. */
function attempt(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof IpvlanError)) throw error;
  }
}

/** A word that looks like something of a command's, or anything. */
function wordFor(options: string[]): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom(...options),
    fc.tuple(fc.constantFrom(...options), fc.string()).map(([option, text]) => `${option}=${text}`),
    fc.constantFrom("n", "name=a,ip=1", "container:x", "none", "--", "-", "a=b", "until=1h", ""),
    fc.string(),
    fc.string({ unit: "binary" }),
  );
}

Deno.test("no words of a command line give anything but an error of the project's own", async () => {
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    const command = await load();
    if (command.raw) continue;
    const options = [...optionsOf(command), ...refusedOptions(name)]
      .flatMap(({ name, short }) => short ? [`--${name}`, `-${short}`] : [`--${name}`]);
    const words = fc.array(wordFor(options), { maxLength: 8 });
    const property = fc.property(words, (typed) => {
      attempt(() => {
        const args = parseArguments(`ipvlan ${name}`, command, typed);
        if (name === "run") {
          readTarget([...args.values("net"), ...args.values("network")], args, []);
          settingsProblems(readSettings(args, []));
        }
        if (name === "ps") readSelection(args);
        if (name === "network prune") readPruneFilter(args.values("filter"), 0);
        if (name === "exec") readUser(args.value("user") ?? "", "a:x:1:1::/:", "a:x:1:");
      });
    });
    fc.assert(property, { seed: SEED, numRuns: 500 });
  }
});

Deno.test("a wrong command line says all in lines without a period, and never nothing", () => {
  const property = fc.property(fc.string(), (text) => {
    try {
      parseArguments("ipvlan x", {
        usage: "",
        example: "",
        run: () => Promise.resolve(0),
      }, [`--${text}`, text]);
    } catch (error) {
      if (!isIpvlanError(error, "usage")) throw error;
      if (error.message.split("\n").length < 2) throw new Error(error.message);
    }
  });
  fc.assert(property, { seed: SEED, numRuns: 500 });
});
