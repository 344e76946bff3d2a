import { didYouMean } from "../base/suggest.ts";
import { readCharacter, readNumber, readString } from "./literals.ts";
import { type Part, scan, type Token, type TokenKind } from "./scan.ts";
import type { Base, Branch, Command, Operand, Pipe, Statement } from "./tree.ts";
import { templateError } from "./error.ts";

/** How deep parentheses and blocks may be nested. */
const MAX_DEPTH = 100;

/** The words that begin a statement. */
const KEYWORDS: readonly string[] = ["if", "with", "range", "else", "end", "break", "continue"];

/** Go's keywords for templates that are made of several, which `--format` never is. */
const UNSUPPORTED: readonly string[] = ["block", "define", "template"];

/** The functions that read literals, by token. */
const LITERALS = { number: readNumber, character: readCharacter, string: readString };

/** The tokens that end a command or one of its operands. */
const ENDS: readonly TokenKind[] = ["pipe", "close", "declare", "assign", "comma"];

/**
 * Parses a template of Go's text/template (https://pkg.go.dev/text/template), without `block`,
 * `define` and `template`, for the functions of these names. @throws {"template"}
 *
 * @param escapes Whether `\t` and `\n` in a text stand for a tab and a new line.
 */
export function parse(
  template: string,
  functions: readonly string[],
  escapes: boolean,
): readonly Statement[] {
  return new Parser(template, functions, escapes).all();
}

function unescaped(text: string): string {
  return text.replace(/\\[tn]/g, (escape) => escape === "\\t" ? "\t" : "\n");
}

/** An action that ends a block, and the word that it begins with. */
type Stop = { readonly word: "else" | "end"; readonly tokens: Tokens };

/** The tokens of one action, read from left to right. */
class Tokens {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #next = 0;

  constructor(tokens: readonly Token[], start: number) {
    this.#tokens = tokens;
    const last = tokens.at(-1);
    this.#end = last === undefined ? start : last.offset + last.written.length;
  }

  /** The offset of the next token; at the end, that of the end. */
  get offset(): number {
    return this.peek()?.offset ?? this.#end;
  }

  /** The next token, or one after it; `undefined` after the last one. */
  peek(ahead = 0): Token | undefined {
    return this.#tokens[this.#next + ahead];
  }

  /** The next token if it is a field that is joined to the token before: `.Pid` in `.State.Pid`. */
  joinedField(): Token | undefined {
    const token = this.peek();
    return token?.kind === "field" && !token.spaced ? token : undefined;
  }

  /** Skips a number of tokens. There must be as many. */
  skip(count = 1): void {
    this.#next += count;
  }

  /** Skips the next token if it is of a kind. Returns whether it was. */
  take(kind: TokenKind): boolean {
    const isIt = this.peek()?.kind === kind;
    if (isIt) this.skip();
    return isIt;
  }
}

class Parser {
  readonly #template: string;
  readonly #functions: readonly string[];
  readonly #escapes: boolean;
  readonly #parts: readonly Part[];
  #nextPart = 0;
  #depth = 0;
  #ranges = 0;
  /** The variables that can be used here. `$` is the data. */
  #variables = ["$"];

  constructor(template: string, functions: readonly string[], escapes: boolean) {
    this.#template = template;
    this.#functions = functions;
    this.#escapes = escapes;
    this.#parts = scan(template);
  }

  all(): readonly Statement[] {
    const { statements, stop } = this.#block();
    if (stop) this.#fail(stop.tokens.offset, `unexpected {{${stop.word}}}`);
    return statements;
  }

  #fail(offset: number, reason: string): never {
    throw templateError(this.#template, offset, reason);
  }

  #unexpected(tokens: Tokens, context: string): never {
    const token = tokens.peek();
    const what = token === undefined ? "end of action" : JSON.stringify(token.written);
    this.#fail(tokens.offset, `unexpected ${what} in ${context}`);
  }

  /** Parses one level deeper. */
  #nested<T>(offset: number, parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.#fail(offset, `nested deeper than ${MAX_DEPTH} levels`);
    const result = parse();
    this.#depth--;
    return result;
  }

  /** Parses up to the action that ends this block, or up to the end of the template. */
  #block(): { statements: Statement[]; stop?: Stop } {
    const statements: Statement[] = [];
    for (;;) {
      const part = this.#parts[this.#nextPart++];
      if (part === undefined) return { statements };
      if (part.kind === "text") {
        const text = this.#escapes ? unescaped(part.text) : part.text;
        statements.push({ kind: "text", text });
        continue;
      }
      const tokens = new Tokens(part.tokens, part.offset);
      const word = tokens.peek()?.kind === "word" ? tokens.peek()!.written : "";
      if (word === "else" || word === "end") return { statements, stop: { word, tokens } };
      statements.push(this.#statement(word, tokens));
    }
  }

  #statement(word: string, tokens: Tokens): Statement {
    if (word === "if" || word === "with" || word === "range") return this.#branch(word, tokens);
    if (word === "break" || word === "continue") {
      if (this.#ranges === 0) this.#fail(tokens.offset, `{{${word}}} outside {{range}}`);
      tokens.skip();
      this.#requireEnd(tokens, `{{${word}}}`);
      return { kind: word };
    }
    if (UNSUPPORTED.includes(word)) {
      this.#fail(tokens.offset, `{{${word}}} is not supported: write one template`);
    }
    return { kind: "action", pipe: this.#wholePipe(tokens, "command") };
  }

  #branch(kind: Branch["kind"], tokens: Tokens): Branch {
    const start = tokens.offset;
    return this.#nested(start, () => {
      tokens.skip();
      const visible = this.#variables.length;
      const pipe = this.#wholePipe(tokens, kind);
      if (kind === "range") this.#ranges++;
      const first = this.#block();
      if (kind === "range") this.#ranges--;
      const otherwise = this.#otherwise(kind, start, first.stop);
      this.#variables.length = visible;
      return { kind, pipe, body: first.statements, otherwise };
    });
  }

  /** Parses what follows the first block of a branch, up to `{{end}}`. */
  #otherwise(kind: Branch["kind"], start: number, stop?: Stop): readonly Statement[] {
    if (stop === undefined) this.#fail(start, `unexpected EOF: {{${kind}}} has no {{end}}`);
    const { word, tokens } = stop;
    tokens.skip();
    if (word === "end") {
      this.#requireEnd(tokens, "{{end}}");
      return [];
    }
    // `{{else if}}` and `{{else with}}` share the `{{end}}` of the branch that they belong to.
    if (kind !== "range" && tokens.peek()?.written === kind) return [this.#branch(kind, tokens)];
    this.#requireEnd(tokens, "{{else}}");
    const { statements, stop: last } = this.#block();
    if (last?.word === "else") this.#fail(last.tokens.offset, "expected end; found {{else}}");
    return [...statements, ...this.#otherwise(kind, start, last)];
  }

  #requireEnd(tokens: Tokens, context: string): void {
    if (tokens.peek()) this.#unexpected(tokens, context);
  }

  /** Parses a pipe that is all the rest of its action. */
  #wholePipe(tokens: Tokens, context: string): Pipe {
    const pipe = this.#pipe(tokens, context);
    this.#requireEnd(tokens, context);
    return pipe;
  }

  /** Parses a pipe up to what cannot belong to it. */
  #pipe(tokens: Tokens, context: string): Pipe {
    const offset = tokens.offset;
    const { variables, assigns } = this.#declarations(tokens, context);
    const commands: Command[] = [];
    do {
      if (tokens.peek() === undefined && commands.length === 0) {
        this.#fail(tokens.offset, `missing value for ${context}`);
      }
      const command = this.#command(tokens, context);
      const { base, fields, offset } = command.head;
      if (commands.length > 0 && fields.length === 0 && isPlainValue(base)) {
        this.#fail(offset, `non executable command in pipeline stage ${commands.length + 1}`);
      }
      commands.push(command);
    } while (tokens.take("pipe"));
    // A variable can be used after the pipe that gives it its value.
    if (!assigns) this.#variables.push(...variables);
    return { variables, assigns, commands, offset, written: this.#written(offset, tokens) };
  }

  /** Parses `$x :=`, `$x =` or `$i, $x :=` where a pipe begins with that. */
  #declarations(tokens: Tokens, context: string) {
    const most = context === "range" ? 2 : 1;
    const variables: string[] = [];
    for (let ahead = 0; tokens.peek(ahead)?.kind === "variable"; ahead += 2) {
      const { written, offset } = tokens.peek(ahead)!;
      const sign = tokens.peek(ahead + 1)?.kind;
      variables.push(written);
      if (sign === "declare" || sign === "assign") {
        tokens.skip(ahead + 2);
        return { variables, assigns: sign === "assign" };
      }
      if (sign !== "comma") break;
      if (variables.length === most) this.#fail(offset, `too many declarations in ${context}`);
    }
    return { variables: [], assigns: false };
  }

  #command(tokens: Tokens, context: string): Command {
    const { offset } = tokens;
    const operands: Operand[] = [];
    for (;;) {
      operands.push(this.#operand(tokens, context));
      const next = tokens.peek();
      if (next === undefined || ENDS.includes(next.kind)) break;
      if (!next.spaced) this.#unexpected(tokens, "operand");
    }
    const [head, ...rest] = operands;
    // An error in a call shows the whole call.
    const written = head!.base.kind === "function" ? this.#written(offset, tokens) : head!.written;
    return { head: { ...head!, written }, rest };
  }

  #operand(tokens: Tokens, context: string): Operand {
    const start = tokens.offset;
    const first = tokens.peek();
    const base = this.#base(tokens, context);
    const fields: string[] = first?.kind === "field" ? [first.written.slice(1)] : [];
    // Go, and so Docker, names the place of the first field after the term.
    const { offset } = tokens.joinedField() ?? { offset: start };
    for (let field = tokens.joinedField(); field; field = tokens.joinedField()) {
      if (isPlainValue(base) && first?.kind !== "field") {
        this.#fail(field.offset, `unexpected . after term ${JSON.stringify(first?.written)}`);
      }
      fields.push(field.written.slice(1));
      tokens.skip();
    }
    return { base, fields, offset, written: this.#written(start, tokens) };
  }

  #base(tokens: Tokens, context: string): Base {
    const token = tokens.peek();
    if (token?.kind === "open") return this.#parenthesized(tokens);
    const base = token && (this.#constant(token) ?? this.#name(token));
    if (base === undefined) this.#unexpected(tokens, context);
    tokens.skip();
    return base;
  }

  #constant({ kind, written, offset }: Token): Base | undefined {
    if (kind === "raw") return { kind: "constant", value: written.slice(1, -1) };
    const read = kind === "number" || kind === "character" || kind === "string"
      ? LITERALS[kind]
      : undefined;
    if (read === undefined) return undefined;
    const value = read(written) ?? this.#fail(offset, `bad ${kind} syntax: ${written}`);
    return { kind: "constant", value };
  }

  #name({ kind, written, offset }: Token): Base | undefined {
    if (kind === "field" || kind === "dot") return { kind: "dot" };
    if (kind === "word") return this.#word(written, offset);
    if (kind !== "variable") return undefined;
    if (!this.#variables.includes(written)) {
      this.#fail(offset, `undefined variable ${JSON.stringify(written)}`);
    }
    return { kind: "variable", name: written };
  }

  #word(word: string, offset: number): Base {
    if (word === "true" || word === "false") return { kind: "constant", value: word === "true" };
    if (word === "nil") return { kind: "nil" };
    if (KEYWORDS.includes(word)) this.#fail(offset, `unexpected {{${word}}} in command`);
    if (!this.#functions.includes(word)) {
      const hint = didYouMean(word, this.#functions);
      this.#fail(offset, `function ${JSON.stringify(word)} not defined${hint}`);
    }
    return { kind: "function", name: word };
  }

  #parenthesized(tokens: Tokens): Base {
    const start = tokens.offset;
    return this.#nested(start, () => {
      tokens.skip();
      const pipe = this.#pipe(tokens, "parenthesized pipeline");
      if (!tokens.take("close")) this.#fail(start, "unclosed left paren");
      return { kind: "pipe", pipe };
    });
  }

  #written(start: number, tokens: Tokens): string {
    return this.#template.slice(start, tokens.offset).trimEnd();
  }
}

/** Whether an operand without fields is a value, and so cannot take an argument. */
function isPlainValue({ kind }: Base): boolean {
  return kind === "dot" || kind === "nil" || kind === "constant";
}
