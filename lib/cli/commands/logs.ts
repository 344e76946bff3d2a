import { InvalidOptionError } from "../../driver/errors.ts";
import type { Command } from "../command.ts";

/** Reads `--tail`. @throws {InvalidOptionError} It is neither a number nor `all`. */
function readTail(text: string): number {
  if (["all", "-1"].includes(text)) return Infinity;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidOptionError("tail", text, "give a number of lines, or all");
}

/** The last lines of a text. The last line may lack its newline. */
function lastLines(text: string, count: number): string {
  if (count === Infinity) return text;
  const lines = text.split(/(?<=\n)/);
  return count === 0 ? "" : lines.slice(-count).join("");
}

const command: Command = {
  usage: "[OPTIONS] SANDBOX",
  example: "ipvlan logs --follow --tail 20 nginx",
  options: [
    { name: "follow", short: "f", help: "print also what comes, until the command has ended" },
    { name: "tail", short: "n", value: "LINES", help: "how many lines to begin with; default all" },
  ],
  positionals: [1, 1],
  async run(args, { open, print }) {
    const [sandbox = ""] = args.positionals;
    const tail = readTail(args.value("tail") ?? "all");
    await using driver = await open();
    const pieces = args.on("follow") ? driver.followOutput(sandbox) : [driver.output(sandbox)];
    const decoder = new TextDecoder();
    let rest: string | undefined;
    for await (const piece of pieces) {
      const text = decoder.decode(piece, { stream: true });
      const lines = (rest === undefined ? lastLines(text, tail) : rest + text).split("\n");
      rest = lines.pop()!;
      if (lines.length > 0) print(lines.join("\n"));
    }
    if (rest) print(rest);
    return 0;
  },
};
export default command;
