import type { Command } from "../command.ts";
import { invalidOption } from "../../base/errors.ts";

const NEWLINE = 10;

function readTail(text: string): number {
  if (["all", "-1"].includes(text)) return Infinity;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw invalidOption("tail", text, "give a number of lines, or all");
}

/** The last lines of an output. The last line may lack its newline. */
function lastLines(output: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer> {
  let start = output.length;
  for (let left = count; left > 0 && start > 0; left--) {
    start = start < 2 ? 0 : output.lastIndexOf(NEWLINE, start - 2) + 1;
  }
  return output.subarray(start);
}

export default {
  usage: "[OPTIONS] SANDBOX",
  example: "ipvlan logs --follow --tail 20 nginx",
  options: {
    "-f, --follow": "print also what comes, until the command has ended",
    "-n, --tail LINES": "how many lines to begin with; default all",
  },
  async run(args, { open, write }) {
    const [sandbox = ""] = args.positionals;
    let tail = readTail(args.value("tail") ?? "all");
    await using driver = await open();
    const pieces = args.on("follow") ? driver.followOutput(sandbox) : [driver.output(sandbox)];
    for await (const piece of pieces) {
      write(lastLines(piece, tail));
      tail = Infinity;
    }
  },
} satisfies Command;
