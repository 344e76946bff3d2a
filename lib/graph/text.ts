import { type Box, boxOf, fold, isUsual, SIGNS } from "./boxes.ts";
import { countOf, notesOf, type World } from "./world.ts";

/** This many sandboxes of a network, or more, are written side by side, so that 100 fit a screen. */
const SIDE_BY_SIDE = 6;

/**
 * The world as a tree for a terminal: links, the networks on them, and their sandboxes.
 *
 * @param width The columns of the terminal.
 */
export function toText(world: World, width: number): string {
  const { networks, sandboxes } = countOf(world);
  const count = (number: number, one: string, many = `${one}s`) =>
    `${number} ${number === 1 ? one : many}`;
  return [
    ...boxOf(world).boxes.flatMap((link) => draw(link, width)),
    ...notesOf(world),
    `${count(networks, "network")}, ${count(sandboxes, "sandbox", "sandboxes")}`,
    ...world.path?.text ?? [],
  ].join("\n");
}

/** The line of a box, and the lines of what hangs from it, on branches. */
function draw({ lines, mark, boxes }: Box, width: number): string[] {
  // Each level of the tree takes three columns.
  const inside = width - 3;
  // Of a vague machine, the line of the link or the network says all.
  const below = boxes.flatMap((box) =>
    box.kind === "wire" ? fold(box.boxes.filter(({ isVague }) => !isVague)) : box
  );
  const blocks = boxes.length >= SIDE_BY_SIDE && boxes[0]!.kind === "sandbox"
    ? sideBySide(boxes, inside)
    : below.map((box) => draw(box, inside));
  return [
    [...lines, ...mark ? [SIGNS[mark]] : []].join("  "),
    ...blocks.flatMap((block, index) =>
      block.map((line, row) => {
        const isLast = index === blocks.length - 1;
        return (row > 0 ? isLast ? "   " : "│  " : isLast ? "└─ " : "├─ ") + line;
      })
    ),
  ];
}

/** Arranges the usual sandboxes in as many columns as fit, to be read from left to right. */
function sideBySide(boxes: readonly Box[], width: number): string[][] {
  const cells = boxes.filter(isUsual).map(({ short }) => short!);
  const widest = Math.max(0, ...cells.map((cell) => cell.length)) + 2;
  const perLine = Math.max(1, Math.floor((width + 2) / widest));
  const rows = Object.groupBy(
    cells.map((cell) => cell.padEnd(widest)),
    (_, index) => Math.floor(index / perLine),
  );
  return [
    ...Object.values(rows).map((row = []) => [row.join("").trimEnd()]),
    ...boxes.filter((box) => !isUsual(box)).map((box) => draw(box, width)),
  ];
}
