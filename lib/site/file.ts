// Not `@std/yaml`: its `parse` returns values without their positions, which we need to report the
// line of a wrong value.
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
  YAMLMap,
} from "yaml";
import { createHash } from "node:crypto";
import { IpvlanError, type IpvlanErrorOf, throwProblems } from "../base/errors.ts";
import { orAbort } from "../base/waiting.ts";
import { formatPath, type Path } from "./shape.ts";
import type { SiteSource } from "./types.ts";

/** Messages for YAML's own errors, as the parser's messages are for programmers. */
const REASONS: Record<string, string> = {
  TAB_AS_INDENT: "A tab cannot indent: use spaces",
  MULTIPLE_DOCS: "A second document begins here: a site is one",
  TAG_RESOLVE_FAILED: "This tag means nothing here: leave it out",
  RESOURCE_EXHAUSTION: "It is nested too deeply",
};

/** The values of a site file's text, and their positions. */
export class SiteText {
  /** The values, with `Map`s for mappings. The last of duplicate keys counts. */
  readonly value: unknown;
  /** Problems of duplicate keys, which do not prevent checking the values. */
  readonly duplicates: readonly IpvlanErrorOf<"site-file">[];
  #file: string;
  #aliases: ReadonlyMap<string, string>;
  #document: Document;
  #lines: LineCounter;

  /**
   * Reads YAML 1.2, with merge keys (`<<`) as in `compose.yaml`.
   *
   * @param aliases Other names of keys.
   * @throws {"site-file"} The text is not valid.
   * @throws {"problems"} It has several problems.
   */
  constructor(file: string, text: string, aliases: ReadonlyMap<string, string>) {
    this.#file = file;
    this.#aliases = aliases;
    this.#lines = new LineCounter();
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      merge: true,
      prettyErrors: false,
    });
    const found = [...this.#document.errors, ...this.#document.warnings];
    const [twice, others] = [true, false].map((is) =>
      found.filter(({ code }) => (code === "DUPLICATE_KEY") === is)
    );
    const problems = others!.map(({ code, message, pos: [offset] }) =>
      this.#at(offset, REASONS[code] ?? message)
    );
    visit(this.#document, {
      Alias: (_key, alias, above) => {
        const node = alias.resolve(this.#document);
        const reason = node === undefined
          ? `There is no anchor "&${alias.source}" before it`
          : above.includes(node)
          ? `It is inside the value of "&${alias.source}"`
          : undefined;
        if (reason !== undefined) problems.push(this.#at(alias.range![0], reason));
      },
      Pair: (_key, { key, value }) => {
        // The parser makes a symbol of the key, unless it is in quotes.
        if (!isScalar(key) || typeof key.value !== "symbol") return;
        const sources = isSeq(value) ? value.items : [value];
        const isMapping = (source: unknown) =>
          isMap(isAlias(source) ? source.resolve(this.#document) ?? new YAMLMap() : source);
        if (sources.every(isMapping)) return;
        problems.push(this.#at(key.range![0], `"<<" needs a mapping, and this is not one`));
      },
    });
    this.duplicates = this.#keysAt(new Set(twice!.map(({ pos: [offset] }) => offset)));
    if (this.#document.contents === null) {
      problems.push(
        new IpvlanError("site-file", { file, line: undefined, key: "", reason: "It is empty" }),
      );
    }
    if (problems.length > 0) {
      const all = [...problems, ...this.duplicates].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
      // Report one problem a line: the next is mostly a consequence of the first.
      throwProblems(
        all.filter(({ line }, index) => all.findIndex((one) => one.line === line) === index),
      );
    }
    // No limit here, as repeated aliases share one value: `ShapeReader` counts them.
    this.value = this.#document.toJS({ mapAsMap: true, maxAliasCount: -1 });
  }

  /** Makes the problem at a path. */
  problem(path: Path, reason: string): IpvlanErrorOf<"site-file"> {
    const { line, written } = this.#find(path);
    return new IpvlanError("site-file", {
      file: this.#file,
      line,
      key: formatPath(written),
      reason,
    });
  }

  /** Makes the problems of the duplicate keys at these offsets. */
  #keysAt(offsets: ReadonlySet<number>): IpvlanErrorOf<"site-file">[] {
    const problems: IpvlanErrorOf<"site-file">[] = [];
    visit(this.#document, {
      Pair: (_key, pair, above) => {
        const offset = isNode(pair.key) ? pair.key.range?.[0] : undefined;
        if (offset === undefined || !offsets.has(offset)) return;
        const { line } = this.#lines.linePos(offset);
        const key = formatPath(pathOf([...above, pair]));
        problems.push(
          new IpvlanError("site-file", {
            file: this.#file,
            line,
            key,
            reason: "This key is given twice",
          }),
        );
      },
    });
    return problems;
  }

  #at(offset: number, reason: string): IpvlanErrorOf<"site-file"> {
    return new IpvlanError("site-file", {
      file: this.#file,
      line: this.#lines.linePos(offset).line,
      key: "",
      reason,
    });
  }

  /** Finds the line of a key or an item, or of its innermost parent that is in the text. */
  #find(path: Path): { line: number | undefined; written: Path } {
    let node: unknown = this.#document.contents;
    let offset = this.#document.contents?.range?.[0];
    const written = [...path];
    for (const [depth, step] of path.entries()) {
      if (isAlias(node)) node = node.resolve(this.#document);
      const found = isMap(node) ? this.#pair(node, step) : itemOf(node, step);
      if (!found) break;
      written[depth] = found.step;
      offset = found.offset ?? offset;
      node = found.node;
    }
    const line = offset === undefined ? undefined : this.#lines.linePos(offset).line;
    return { line, written };
  }

  #pair({ items }: YAMLMap, step: string | number): Found | undefined {
    const pairOf = (name: unknown) =>
      items.findLast(({ key }) => isScalar(key) && String(key.value) === name);
    const pair = pairOf(step) ?? pairOf(this.#aliases.get(String(step)));
    if (!isScalar(pair?.key)) return undefined;
    return { step: String(pair.key.value), offset: pair.key.range?.[0], node: pair.value };
  }
}

/** A value in the text, and the last step of its path. */
interface Found {
  step: string | number;
  offset: number | undefined;
  node: unknown;
}

/** The path to the last of these nodes, each of which contains the next. */
function pathOf(nodes: readonly (Document | Node | Pair)[]): Path {
  return nodes.flatMap((node, index): Path => {
    if (isPair(node)) return [String(node.key)];
    return isSeq(node) ? [node.items.indexOf(nodes[index + 1])] : [];
  });
}

/** The item of a list with this index, or with this name: a list of names stands for a mapping. */
function itemOf(node: unknown, step: string | number): Found | undefined {
  if (!isSeq(node)) return undefined;
  const index = typeof step === "number"
    ? step
    : node.items.findLastIndex((item) => isScalar(item) && String(item.value) === step);
  const item = node.items[index];
  return isNode(item) ? { step: index, offset: item.range?.[0], node: item } : undefined;
}

const STDIN = "-";

/** The maximum size of a site file, in bytes: enough for any site, and a limit for `/dev/zero`. */
const MAX_BYTES = 16 * 2 ** 20;

/**
 * Reads a site file from disk, or from standard input if it is `-`.
 *
 * @throws {"site-file"} It does not exist, or cannot be read.
 * @throws {"interrupted"} The signal was aborted.
 */
export async function readFile(
  file: string,
  signal?: AbortSignal,
): Promise<{ text: string; source: SiteSource }> {
  if (signal?.aborted) throw new IpvlanError("interrupted");
  try {
    // Opening a FIFO waits for its writer, and cannot be aborted.
    return await orAbort(readWhole(file), signal);
  } catch (error) {
    if (signal?.aborted) throw new IpvlanError("interrupted");
    if (error instanceof IpvlanError) throw error;
    const reason = error instanceof Deno.errors.NotFound
      ? "There is no such file"
      // For example, it is a folder, or the caller may not read it.
      : `It cannot be read: ${(error as Error).message}`;
    throw new IpvlanError("site-file", { file, line: undefined, key: "", reason });
  }
}

async function readWhole(file: string): Promise<{ text: string; source: SiteSource }> {
  using opened = file === STDIN ? undefined : await Deno.open(file);
  const input = opened ?? Deno.stdin;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for (;;) {
    const chunk = new Uint8Array(2 ** 16);
    const count = await input.read(chunk);
    if (count === null) break;
    chunks.push(chunk.subarray(0, count));
    size += count;
    if (size > MAX_BYTES) {
      throw new IpvlanError("site-file", {
        file,
        line: undefined,
        key: "",
        reason: "It is larger than 16 MiB",
      });
    }
  }
  const text = await new Blob(chunks).text();
  const content = createHash("sha256").update(text).digest("hex").slice(0, 16);
  // The path of a pipe, such as `<(COMMAND)`, differs each time.
  const hasPath = opened !== undefined && (await opened.stat()).isFile;
  return { text, source: { path: hasPath ? await Deno.realPath(file) : STDIN, content } };
}
