// Parses Go's text/template (https://pkg.go.dev/text/template), one template by itself.
import { didYouMean } from "../base/suggest.ts";
import { readCharacter, readNumber, readString } from "./literals.ts";
import { scan, templateError, type Token, type TokenKind } from "./scan.ts";

/** A part that runs: it prints, decides or repeats. */
export type Statement =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly pipe: Pipe }
  | Branch
  | { readonly kind: "break" }
  | { readonly kind: "continue" };

export interface Branch {
  readonly kind: "if" | "with" | "range";
  readonly pipe: Pipe;
  /** The statements to run if it is not empty; `range`: for each element. */
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
}

/** A part that an error can name. */
export interface Place {
  readonly offset: number;
  readonly written: string;
}

/** Commands; each gets the value of the one before as its last argument: `.Name | upper`. */
export interface Pipe extends Place {
  /** The variables that get the value: none, one, or in a `range` the index and the element. */
  readonly variables: readonly string[];
  /** Whether the variables exist already: `=` and not `:=`. */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

/** A value, or a function or method with its arguments. */
export interface Command {
  readonly head: Operand;
  readonly rest: readonly Operand[];
}

/** A value or a function, and the fields that follow it: `.State.Pid`, `$x.Name`, `(index . 0).Id`. */
export interface Operand extends Place {
  readonly base: Base;
  readonly fields: readonly string[];
}

export type Base =
  | { readonly kind: "dot" }
  | { readonly kind: "nil" }
  | { readonly kind: "constant"; readonly value: string | number | bigint | boolean }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "pipe"; readonly pipe: Pipe };

const MAX_DEPTH = 100;

const KEYWORDS: readonly string[] = ["if", "with", "range", "else", "end", "break", "continue"];

/** Go's keywords for templates that are made of several, which `--format` never is. */
const UNSUPPORTED: readonly string[] = ["block", "define", "template"];

const LITERALS = { number: readNumber, character: readCharacter, string: readString };

/** The tokens that end a command or one of its operands. */
const ENDS: readonly TokenKind[] = ["pipe", "close", "declare", "assign", "comma", "end"];

export class Parser {
  readonly #template: string;
  readonly #functions: readonly string[];
  readonly #escapes: boolean;
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;
  #ranges = 0;
  /** The variables that can be used here. `$` is the data. */
  #variables = ["$"];

  /** Reads a template. @throws {"template"} @param escapes Whether texts have `\t` and `\n`. */
  constructor(template: string, functions: readonly string[], escapes: boolean) {
    this.#template = template;
    this.#functions = functions;
    this.#escapes = escapes;
    this.#tokens = scan(template);
  }

  all(): readonly Statement[] {
    const { statements, stop } = this.#block();
    if (stop) this.#fail(stop.offset, `unexpected {{${stop.written}}}`);
    return statements;
  }

  /** The next token, or one after it. An action has an end, so there is one inside of it. */
  #peek(ahead = 0): Token {
    return this.#tokens[this.#next + ahead]!;
  }

  #take(kind: TokenKind): boolean {
    const isIt = this.#peek().kind === kind;
    if (isIt) this.#next++;
    return isIt;
  }

  #fail(offset: number, reason: string): never {
    throw templateError(this.#template, offset, reason);
  }

  #unexpected(context: string): never {
    const { kind, written, offset } = this.#peek();
    const what = kind === "end" ? "end of action" : JSON.stringify(written);
    this.#fail(offset, `unexpected ${what} in ${context}`);
  }

  #nested<T>(offset: number, parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.#fail(offset, `nested deeper than ${MAX_DEPTH} levels`);
    const result = parse();
    this.#depth--;
    return result;
  }

  /** Parses up to the word that ends this block, `else` or `end`, or to the end of the template. */
  #block(): { statements: Statement[]; stop?: Token } {
    const statements: Statement[] = [];
    while (this.#next < this.#tokens.length) {
      const token = this.#peek();
      const { kind, written } = token;
      if (kind === "text") {
        this.#next++;
        statements.push({ kind, text: this.#escapes ? unescaped(written) : written });
      } else if (kind === "word" && (written === "else" || written === "end")) {
        this.#next++;
        return { statements, stop: token };
      } else {
        statements.push(this.#statement(kind === "word" ? written : "", token.offset));
      }
    }
    return { statements };
  }

  #statement(word: string, offset: number): Statement {
    if (word === "if" || word === "with" || word === "range") return this.#branch(word, offset);
    if (word === "break" || word === "continue") {
      if (this.#ranges === 0) this.#fail(offset, `{{${word}}} outside {{range}}`);
      this.#next++;
      this.#endAction(`{{${word}}}`);
      return { kind: word };
    }
    if (UNSUPPORTED.includes(word)) {
      this.#fail(offset, `{{${word}}} is not supported: write one template`);
    }
    return { kind: "action", pipe: this.#wholePipe("command") };
  }

  #branch(kind: Branch["kind"], start: number): Branch {
    return this.#nested(start, () => {
      this.#next++;
      const visible = this.#variables.length;
      const pipe = this.#wholePipe(kind);
      if (kind === "range") this.#ranges++;
      const { statements: body, stop } = this.#block();
      if (kind === "range") this.#ranges--;
      const otherwise = this.#otherwise(kind, start, stop);
      this.#variables.length = visible;
      return { kind, pipe, body, otherwise };
    });
  }

  /** Parses what follows the first block of a branch, up to `{{end}}`. */
  #otherwise(kind: Branch["kind"], start: number, stop?: Token): readonly Statement[] {
    if (stop === undefined) this.#fail(start, `unexpected EOF: {{${kind}}} has no {{end}}`);
    if (stop.written === "end") {
      this.#endAction("{{end}}");
      return [];
    }
    // `{{else if}}` and `{{else with}}` share the `{{end}}` of the branch that they belong to.
    const { written, offset } = this.#peek();
    if (kind !== "range" && written === kind) return [this.#branch(kind, offset)];
    this.#endAction("{{else}}");
    const { statements, stop: last } = this.#block();
    if (last?.written === "else") this.#fail(last.offset, "expected end; found {{else}}");
    return [...statements, ...this.#otherwise(kind, start, last)];
  }

  #endAction(context: string): void {
    if (!this.#take("end")) this.#unexpected(context);
  }

  /** Parses a pipe that is all the rest of its action. */
  #wholePipe(context: string): Pipe {
    const pipe = this.#pipe(context);
    this.#endAction(context);
    return pipe;
  }

  /** Parses a pipe up to what cannot belong to it. */
  #pipe(context: string): Pipe {
    const { offset } = this.#peek();
    const { variables, assigns } = this.#declarations(context);
    if (this.#peek().kind === "end") {
      this.#fail(this.#peek().offset, `missing value for ${context}`);
    }
    const commands: Command[] = [];
    do {
      const command = this.#command(context);
      const { base, fields, offset } = command.head;
      if (commands.length > 0 && fields.length === 0 && isPlainValue(base)) {
        this.#fail(offset, `non executable command in pipeline stage ${commands.length + 1}`);
      }
      commands.push(command);
    } while (this.#take("pipe"));
    // A variable can be used after the pipe that gives it its value.
    if (!assigns) this.#variables.push(...variables);
    return { variables, assigns, commands, offset, written: this.#written(offset) };
  }

  /** Parses `$x :=`, `$x =` or `$i, $x :=` where a pipe begins with that. */
  #declarations(context: string): { variables: string[]; assigns: boolean } {
    const most = context === "range" ? 2 : 1;
    const variables: string[] = [];
    for (let ahead = 0; this.#peek(ahead).kind === "variable"; ahead += 2) {
      const { written, offset } = this.#peek(ahead);
      const { kind } = this.#peek(ahead + 1);
      variables.push(written);
      if (kind === "declare" || kind === "assign") {
        this.#next += ahead + 2;
        return { variables, assigns: kind === "assign" };
      }
      if (kind !== "comma") break;
      if (variables.length === most) this.#fail(offset, `too many declarations in ${context}`);
    }
    return { variables: [], assigns: false };
  }

  #command(context: string): Command {
    const { offset } = this.#peek();
    const head = this.#operand(context);
    const rest: Operand[] = [];
    while (!ENDS.includes(this.#peek().kind)) {
      if (!this.#peek().spaced) this.#unexpected("operand");
      rest.push(this.#operand(context));
    }
    // An error in a call shows the whole call.
    const written = head.base.kind === "function" ? this.#written(offset) : head.written;
    return { head: { ...head, written }, rest };
  }

  #operand(context: string): Operand {
    const first = this.#peek();
    const base = this.#base(first, context);
    const fields: string[] = first.kind === "field" ? [first.written.slice(1)] : [];
    // Go, and so Docker, names the place of the first field after the term.
    const { offset } = this.#joinedField() ?? first;
    for (let field = this.#joinedField(); field; field = this.#joinedField()) {
      if (isPlainValue(base) && first.kind !== "field") {
        this.#fail(field.offset, `unexpected . after term ${JSON.stringify(first.written)}`);
      }
      fields.push(field.written.slice(1));
      this.#next++;
    }
    return { base, fields, offset, written: this.#written(first.offset) };
  }

  /** The next token if it is a field that is joined to the token before: `.Pid` in `.State.Pid`. */
  #joinedField(): Token | undefined {
    const token = this.#peek();
    return token.kind === "field" && !token.spaced ? token : undefined;
  }

  #base(token: Token, context: string): Base {
    if (token.kind === "open") return this.#parenthesized(token.offset);
    const base = this.#constant(token) ?? this.#name(token) ?? this.#unexpected(context);
    this.#next++;
    return base;
  }

  #constant({ kind, written, offset }: Token): Base | undefined {
    if (kind === "raw") return { kind: "constant", value: written.slice(1, -1) };
    if (kind !== "number" && kind !== "character" && kind !== "string") return undefined;
    const value = LITERALS[kind](written) ?? this.#fail(offset, `bad ${kind} syntax: ${written}`);
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

  #parenthesized(start: number): Base {
    return this.#nested(start, () => {
      this.#next++;
      const pipe = this.#pipe("parenthesized pipeline");
      if (!this.#take("close")) this.#fail(start, "unclosed left paren");
      return { kind: "pipe", pipe };
    });
  }

  #written(start: number): string {
    return this.#template.slice(start, this.#peek().offset).trimEnd();
  }
}

function unescaped(text: string): string {
  return text.replace(/\\[tn]/g, (escape) => escape === "\\t" ? "\t" : "\n");
}

/** Whether an operand without fields is a value, and so cannot take an argument. */
function isPlainValue({ kind }: Base): boolean {
  return kind === "dot" || kind === "nil" || kind === "constant";
}
