// Not `@std/yaml`, whose values have no positions: a wrong value is reported with its line.
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
} from "npm:yaml@^2";
import { createHash } from "node:crypto";
import { IpvlanError, type IpvlanErrorOf, throwProblems } from "../base/errors.ts";
import { orAbort } from "../base/waiting.ts";
import { placeOf } from "../base/reader.ts";
import type { Path } from "./shape.ts";
import type { SiteSource } from "./types.ts";

/** Messages for YAML's own errors, as the parser's messages are for programmers. */
const REASONS: Record<string, string> = {
  TAB_AS_INDENT: "A tab cannot indent: use spaces",
  MULTIPLE_DOCS: "A second document begins here: a site is one",
  TAG_RESOLVE_FAILED: "This tag means nothing here: leave it out",
  RESOURCE_EXHAUSTION: "It is nested too deeply",
};

/** Makes the error for a file. @param key What is wrong in it, if that has a name. */
function fileProblem(
  file: string,
  reason: string,
  line?: number,
  key = "",
): IpvlanErrorOf<"site-file"> {
  return new IpvlanError("site-file", { file, line, key, reason });
}

/** The values of a site file's text, and their positions. */
export class SiteText {
  /** The values, with `Map`s for mappings. The last of duplicate keys counts. */
  readonly value: unknown;
  /** Problems of duplicate keys, which do not prevent checking the values. */
  readonly duplicates: readonly IpvlanErrorOf<"site-file">[];
  #document: Document;
  #lines = new LineCounter();

  /** Reads YAML 1.2 with merge keys (`<<`) as in `compose.yaml`. @throws {"site-file"} */
  constructor(
    private readonly file: string,
    text: string,
    private readonly aliases: ReadonlyMap<string, string>,
  ) {
    const document = this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      merge: true,
      prettyErrors: false,
    });
    const problems: IpvlanErrorOf<"site-file">[] = [];
    const duplicates: IpvlanErrorOf<"site-file">[] = [];
    const twice = new Set<number>();
    for (const { code, message, pos: [offset] } of [...document.errors, ...document.warnings]) {
      if (code === "DUPLICATE_KEY") twice.add(offset);
      else problems.push(this.#at(offset, REASONS[code] ?? message));
    }
    visit(document, {
      Alias: (_key, alias, above) => {
        const node = alias.resolve(document);
        const reason = node === undefined
          ? `There is no anchor "&${alias.source}" before it`
          : above.includes(node)
          ? `It is inside the value of "&${alias.source}"`
          : undefined;
        if (reason !== undefined) problems.push(this.#at(alias.range![0], reason));
      },
      Pair: (_key, pair, above) => {
        const { key, value } = pair;
        if (!isNode(key)) return;
        const offset = key.range![0];
        if (twice.has(offset)) {
          duplicates.push(this.#at(offset, "This key is given twice", pathOf([...above, pair])));
        }
        // The parser makes a symbol of the key "<<", unless it is in quotes.
        if (!isScalar(key) || typeof key.value !== "symbol") return;
        const sources = isSeq(value) ? value.items : [value];
        const isMapping = (source: unknown) =>
          isMap(isAlias(source) ? source.resolve(document) ?? new YAMLMap() : source);
        if (sources.every(isMapping)) return;
        problems.push(this.#at(offset, `"<<" needs a mapping, and this is not one`));
      },
    });
    this.duplicates = duplicates;
    if (document.contents === null) problems.push(fileProblem(file, "It is empty"));
    if (problems.length > 0) {
      const all = [...problems, ...duplicates].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
      // Report one problem a line: the next is mostly a consequence of the first.
      throwProblems(
        all.filter(({ line }, index) => all.findIndex((one) => one.line === line) === index),
      );
    }
    // No limit here, as repeated aliases share one value: `ShapeReader` counts them.
    this.value = document.toJS({ mapAsMap: true, maxAliasCount: -1 });
  }

  /** Makes the problem at a path: of a key or an item, or of its innermost parent in the text. */
  problem(path: Path, reason: string): IpvlanErrorOf<"site-file"> {
    let node: unknown = this.#document.contents;
    let offset = this.#document.contents!.range![0];
    const written = [...path];
    for (const [depth, step] of path.entries()) {
      if (isAlias(node)) node = node.resolve(this.#document);
      const found = isMap(node) ? this.#pair(node, step) : this.#item(node, step);
      if (!found) break;
      written[depth] = found.step;
      offset = found.offset;
      node = found.node;
    }
    return this.#at(offset, reason, written);
  }

  #at(offset: number, reason: string, path: Path = []): IpvlanErrorOf<"site-file"> {
    return fileProblem(this.file, reason, this.#lines.linePos(offset).line, placeOf(path));
  }

  #pair({ items }: YAMLMap, step: string | number): Found | undefined {
    const pairOf = (name: unknown) =>
      items.findLast(({ key }) => isScalar(key) && String(key.value) === name);
    const pair = pairOf(step) ?? pairOf(this.aliases.get(String(step)));
    if (!isScalar(pair?.key)) return undefined;
    return { step: String(pair.key.value), offset: pair.key.range![0], node: pair.value };
  }

  /** The item of a list with this index, or of this value: a list of names stands for a mapping. */
  #item(node: unknown, step: string | number): Found | undefined {
    if (!isSeq(node)) return undefined;
    const valueOf = (item: unknown) => isAlias(item) ? item.resolve(this.#document) : item;
    const index = typeof step === "number" ? step : node.items.findLastIndex((item) => {
      const value = valueOf(item);
      return isScalar(value) && String(value.value) === step;
    });
    const item = node.items[index];
    return isNode(item) ? { step: index, offset: item.range![0], node: item } : undefined;
  }
}

interface Found {
  step: string | number;
  offset: number;
  node: unknown;
}

/** The path to the last of these nodes, each of which contains the next. */
function pathOf(nodes: readonly (Document | Node | Pair)[]): Path {
  return nodes.flatMap((node, index): Path => {
    if (isPair(node)) return [String(node.key)];
    return isSeq(node) ? [node.items.indexOf(nodes[index + 1])] : [];
  });
}

const STDIN = "-";

/** The maximum size of a site file, in bytes: enough for any site, and a limit for `/dev/zero`. */
const MAX_BYTES = 16 * 2 ** 20;

/** Reads a site file, or standard input for `-`. @throws {"site-file" | "interrupted"} */
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
    throw fileProblem(file, reason);
  }
}

async function readWhole(file: string): Promise<{ text: string; source: SiteSource }> {
  using opened = file === STDIN ? undefined : await Deno.open(file);
  const input = opened ?? Deno.stdin;
  // The path of a pipe, such as `<(COMMAND)`, differs each time.
  const hasPath = opened !== undefined && (await opened.stat()).isFile;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of input.readable) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_BYTES) throw fileProblem(file, "It is larger than 16 MiB");
  }
  const text = await new Blob(chunks).text();
  const content = createHash("sha256").update(text).digest("hex").slice(0, 16);
  return { text, source: { path: hasPath ? await Deno.realPath(file) : STDIN, content } };
}
