import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";

/** How the tokens of an action look, in the order in which they are tried. Each is linear. */
const TOKENS = {
  end: String.raw`[ \t\r\n]+-\}\}|\}\}`,
  space: String.raw`[ \t\r\n]+`,
  string: String.raw`"(?:[^"\\\n]|\\[^\n])*"`,
  raw: "`[^`]*`",
  character: String.raw`'(?:[^'\\\n]|\\[^\n])+'`,
  number: String.raw`[+\-]?(?:0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+\-]?\d+)?)`,
  field: String.raw`\.[\p{L}_][\p{L}\p{Nd}_]*`,
  variable: String.raw`\$[\p{L}\p{Nd}_]*`,
  word: String.raw`[\p{L}_][\p{L}\p{Nd}_]*`,
  declare: ":=",
  assign: "=",
  pipe: String.raw`\|`,
  open: String.raw`\(`,
  close: String.raw`\)`,
  comma: ",",
  dot: String.raw`\.`,
};

const TOKEN = new RegExp(
  Object.entries(TOKENS).map(([kind, pattern]) => `(?<${kind}>${pattern})`).join("|"),
  "uy",
);

/** The kind of a token: `text` between actions, or a part of an action, `{{…}}`. `end` ends one. */
export type TokenKind = "text" | Exclude<keyof typeof TOKENS, "space">;

export interface Token {
  readonly kind: TokenKind;
  readonly written: string;
  /** Its place. The end of an action has that behind its last token. */
  readonly offset: number;
  /** Whether white space stands before it. */
  readonly spaced: boolean;
}

export function templateError(
  template: string,
  offset: number,
  reason: string,
): IpvlanErrorOf<"template"> {
  const before = template.slice(0, offset).split("\n");
  const column = new TextEncoder().encode(before.at(-1)).length;
  return new IpvlanError("template", { line: before.length, column, reason });
}

/** The error where no token begins, by the character there. */
const UNENDED: Readonly<Record<string, string>> = {
  '"': "unterminated quoted string",
  "`": "unterminated raw quoted string",
  "'": "unterminated character constant",
};

/** Splits a template into tokens. `{{- ` and ` -}}` trim beside them. @throws {"template"} */
export function scan(template: string): Token[] {
  const tokens: Token[] = [];
  let position = 0;
  let trimsNext = false;
  for (;;) {
    const start = template.indexOf("{{", position);
    const text = template.slice(position, start === -1 ? undefined : start);
    const trimsBefore = start !== -1 && /^-[ \t\r\n]/.test(template.slice(start + 2));
    const written = trimmed(text, trimsNext, trimsBefore);
    if (written !== "") tokens.push({ kind: "text", written, offset: position, spaced: false });
    if (start === -1) return tokens;
    const inner = start + (trimsBefore ? 4 : 2);
    position = template.startsWith("/*", inner)
      ? endOfComment(template, inner)
      : scanAction(template, inner, tokens);
    trimsNext = template[position - 3] === "-";
  }
}

function endOfComment(template: string, start: number): number {
  const close = template.indexOf("*/", start + 2);
  if (close === -1) throw templateError(template, start, "unclosed comment");
  const end = /^(?:[ \t\r\n]-)?\}\}/.exec(template.slice(close + 2));
  if (end === null) {
    throw templateError(template, close, "comment ends before closing delimiter");
  }
  return close + 2 + end[0].length;
}

/** Adds the tokens of an action. Returns the offset after its closing braces. */
function scanAction(template: string, start: number, tokens: Token[]): number {
  // The place behind the last token.
  let behind = start;
  for (let offset = start;;) {
    TOKEN.lastIndex = offset;
    const match = TOKEN.exec(template);
    if (match === null) throw templateError(template, offset, whyNoToken(template, offset));
    const [written] = match;
    const [kind] = Object.entries(match.groups!).find(([, text]) => text !== undefined)!;
    const end = offset + written.length;
    if (kind !== "space") {
      const place = kind === "end" ? behind : offset;
      tokens.push({ kind: kind as TokenKind, written, offset: place, spaced: offset > behind });
      behind = end;
    }
    if (kind === "end") return end;
    offset = end;
  }
}

function whyNoToken(template: string, offset: number): string {
  const code = template.codePointAt(offset);
  if (code === undefined) return "unclosed action";
  const character = String.fromCodePoint(code);
  return UNENDED[character] ?? `unexpected ${JSON.stringify(character)} in action`;
}

function trimmed(text: string, before: boolean, after: boolean): string {
  const isSpace = (index: number) => " \t\r\n".includes(text.charAt(index));
  let start = 0;
  let end = text.length;
  while (before && start < end && isSpace(start)) start++;
  while (after && end > start && isSpace(end - 1)) end--;
  return text.slice(start, end);
}
