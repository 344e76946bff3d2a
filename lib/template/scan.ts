import { templateError } from "./error.ts";

/** The kind of a token. */
export type TokenKind =
  | "string"
  | "raw"
  | "character"
  | "number"
  | "field"
  | "variable"
  | "word"
  | "declare"
  | "assign"
  | "pipe"
  | "open"
  | "close"
  | "comma"
  | "dot";

/** A token of an action. */
export interface Token {
  readonly kind: TokenKind;
  readonly written: string;
  readonly offset: number;
  /** Whether white space stands before it. */
  readonly spaced: boolean;
}

/** Text between actions, or an action: `{{…}}`. */
export type Part =
  | { readonly kind: "text"; readonly text: string }
  | {
    readonly kind: "action";
    /** The offset of the text between the braces. */
    readonly offset: number;
    readonly tokens: readonly Token[];
  };

/** The tokens of an action, or its end. Each alternative is linear. */
const TOKEN = new RegExp(
  [
    String.raw`(?<end>[ \t\r\n]+-\}\}|\}\})`,
    String.raw`(?<space>[ \t\r\n]+)`,
    String.raw`(?<string>"(?:[^"\\\n]|\\[^\n])*")`,
    "(?<raw>`[^`]*`)",
    String.raw`(?<character>'(?:[^'\\\n]|\\[^\n])+')`,
    String
      .raw`(?<number>[+\-]?(?:0[xXoObB][\da-fA-F_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+\-]?\d+)?))`,
    String.raw`(?<field>\.[\p{L}_][\p{L}\p{Nd}_]*)`,
    String.raw`(?<variable>\$[\p{L}\p{Nd}_]*)`,
    String.raw`(?<word>[\p{L}_][\p{L}\p{Nd}_]*)`,
    String.raw`(?<declare>:=)`,
    String.raw`(?<assign>=)`,
    String.raw`(?<pipe>\|)`,
    String.raw`(?<open>\()`,
    String.raw`(?<close>\))`,
    String.raw`(?<comma>,)`,
    String.raw`(?<dot>\.)`,
  ].join("|"),
  "uy",
);

/** The error where no token begins, by the character there. */
const UNENDED: Readonly<Record<string, string>> = {
  '"': "unterminated quoted string",
  "`": "unterminated raw quoted string",
  "'": "unterminated character constant",
};

/**
 * Splits a template into texts and actions. `{{- ` removes the white space before an action and
 * ` -}}` that after it. Comments are left out.
 *
 * @throws {"template"} An action does not end, or has a character that begins no token.
 */
export function scan(template: string): Part[] {
  const parts: Part[] = [];
  let position = 0;
  let trimsNext = false;
  for (;;) {
    const start = template.indexOf("{{", position);
    const text = template.slice(position, start === -1 ? undefined : start);
    const trimsBefore = start !== -1 && /^-[ \t\r\n]/.test(template.slice(start + 2, start + 4));
    parts.push({ kind: "text", text: trimmed(text, trimsNext, trimsBefore) });
    if (start === -1) return parts.filter((part) => part.kind === "action" || part.text !== "");
    const inner = start + (trimsBefore ? 4 : 2);
    if (template.startsWith("/*", inner)) {
      position = endOfComment(template, inner);
    } else {
      const { tokens, end } = scanAction(template, inner);
      parts.push({ kind: "action", offset: inner, tokens });
      position = end;
    }
    trimsNext = template[position - 3] === "-" && position - 3 > inner;
  }
}

/** The offset after a comment's closing braces. */
function endOfComment(template: string, start: number): number {
  const close = template.indexOf("*/", start + 2);
  if (close === -1) throw templateError(template, start, "unclosed comment");
  const end = /^(?:[ \t\r\n]-)?\}\}/.exec(template.slice(close + 2, close + 6));
  if (end === null) {
    throw templateError(template, close, "comment ends before closing delimiter");
  }
  return close + 2 + end[0].length;
}

/** Reads the tokens from the beginning of an action to its closing braces. */
function scanAction(template: string, start: number): { tokens: Token[]; end: number } {
  const tokens: Token[] = [];
  let spaced = false;
  for (let offset = start;;) {
    TOKEN.lastIndex = offset;
    const match = TOKEN.exec(template);
    if (match === null) throw templateError(template, offset, whyNoToken(template, offset));
    const [written] = match;
    const [kind] = Object.entries(match.groups!).find(([, text]) => text !== undefined)!;
    if (kind === "end") return { tokens, end: offset + written.length };
    if (kind !== "space") tokens.push({ kind: kind as TokenKind, written, offset, spaced });
    spaced = kind === "space";
    offset += written.length;
  }
}

function whyNoToken(template: string, offset: number): string {
  const code = template.codePointAt(offset);
  if (code === undefined) return "unclosed action";
  const character = String.fromCodePoint(code);
  return UNENDED[character] ?? `unexpected ${JSON.stringify(character)} in action`;
}

/** Removes white space at the beginning or the end of a text. */
function trimmed(text: string, before: boolean, after: boolean): string {
  const isSpace = (index: number) => " \t\r\n".includes(text.charAt(index));
  let start = 0;
  let end = text.length;
  while (before && start < end && isSpace(start)) start++;
  while (after && end > start && isSpace(end - 1)) end--;
  return text.slice(start, end);
}
