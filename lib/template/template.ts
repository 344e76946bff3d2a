// Go's text/template (https://pkg.go.dev/text/template), parsed to functions that run it.
import { Buffer } from "node:buffer";
import { IpvlanError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { type Argument, call, field, FUNCTIONS, type Functions } from "./functions.ts";
import { LITERALS } from "./literals.ts";
import { elementsOf, isTrue, MOST, printed, Refusal, sizeOf, type Value } from "./value.ts";

const MAX_DEPTH = 100;

/** The most characters of a part of the template in an error. */
const MAX_SHOWN = 60;

// What is read of a template, from where the part before it ends.
const OPEN = /\{\{(?:-(?=\s))?/y;
const CLOSE = /\}\}|(?<=\s)-\}\}/y;
const SPACE = /\s*/y;
const COMMENT = /\/\*[^]*?\*\//y;
const BRANCH = /(?:if|with|range)\b/y;
const KEYWORD = /(?:break|continue|block|define|template)\b/y;
const STOP = /(?:else|end)\b/y;
const DECLARATION = /((?:\$[\p{L}\p{Nd}_]*\s*,\s*)*\$[\p{L}\p{Nd}_]*)\s*(:?=)/uy;
const VARIABLE = /\$[\p{L}\p{Nd}_]*/uy;
const FIELD = /\.[\p{L}\p{Nd}_]+/uy;
const MORE_FIELDS = /(?:\.[\p{L}\p{Nd}_]+)*/uy;
const FUNCTION = /(?!(?:nil|true|false)\b)[a-zA-Z_]\w*/y;
const COMMAND_END = /[|)]|-?\}\}/y;
const NEXT = /\}\}|\/\*|"[^"]*"|`[^`]*`|[\p{L}\p{Nd}_]+|./suy;

/** What is wrong where a template cannot go on so. */
const WRONG = new Map([
  ["", "unclosed action"],
  ["}}", "unexpected end of action"],
  ["/*", "unclosed comment"],
  ['"', "unterminated quoted string"],
  ["`", "unterminated raw quoted string"],
  ["'", "a text has double quotes or backquotes, and not single quotes"],
]);

/** What the parts of a template work with while it prints a value. */
interface Scope {
  readonly dot: Value;
  /** The values of variables, by their numbers. The first is `$`, the data. */
  readonly variables: Value[];
  readonly functions: Functions;
  readonly print: (text: string) => void;
  /** Counts steps, printed characters and read elements. @throws {"template"} They are too many. */
  readonly spend: (count: number) => void;
}

/** A part that runs: it prints, decides or repeats. Returns how a `range` around it goes on. */
type Part = (scope: Scope) => "break" | "continue" | undefined;

/** Gives a value. A function or method has arguments; the value from a pipe is the last one. */
type Evaluate = (scope: Scope, args: readonly Argument[]) => Value;

interface Pipe {
  readonly offset: number;
  readonly written: string;
  /** The variables that get the value: none, one, or in a `range` the index and the element. */
  readonly slots: readonly number[];
  readonly evaluate: (scope: Scope) => Value;
}

/**
 * A template as `docker inspect --format` takes it: Go's text/template with Docker's functions,
 * without `block`, `define`, `template` and the functions that escape for HTML, JavaScript and URLs.
 * Numbers are decimal, or hexadecimal as 0x1f. A template that would take very long, or very much
 * memory, ends with an error.
 */
export class Template {
  readonly #template: string;
  readonly #run: Part;
  // Where the parsing is: how far, in how many parentheses and branches, and in how many ranges.
  #at = 0;
  #depth = 0;
  #ranges = 0;
  /** The variables that can be used there, by their numbers. */
  readonly #variables = ["$"];

  /** Parses a template. @throws {"template"} */
  constructor(template: string) {
    this.#template = template;
    this.#run = this.#block();
    const [stop] = this.#see(STOP);
    if (stop) this.#fail(this.#at, `unexpected {{${stop}}}`);
  }

  /** Prints a value, with other functions for the header of a table. @throws {"template"} */
  print(data: Value, functions: Functions = FUNCTIONS): string {
    let out = "";
    let left = MOST;
    const spend = (count: number) => {
      left -= count;
      if (left < 0) this.#failAt(0, this.#template, "it takes too long or prints too much");
    };
    const print = (text: string) => {
      spend(text.length);
      out += text;
    };
    this.#run({ dot: data, variables: [data], functions, print, spend });
    return out;
  }

  /** Reads on if the pattern is there. Returns what `RegExp.exec` does, or nothing. */
  #match(pattern: RegExp): readonly string[] {
    const found = this.#see(pattern);
    this.#at += found[0]?.length ?? 0;
    return found;
  }

  #see(pattern: RegExp): readonly string[] {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#template) ?? [];
  }

  /** Skips white space. Returns where the next part starts. */
  #start(): number {
    this.#match(SPACE);
    return this.#at;
  }

  #take(text: string): boolean {
    const isThere = this.#template.startsWith(text, this.#at);
    if (isThere) this.#at += text.length;
    return isThere;
  }

  #writtenFrom(start: number): string {
    return this.#template.slice(start, this.#at).trimEnd();
  }

  #fail(offset: number, reason: string): never {
    const before = this.#template.slice(0, offset).split("\n");
    const column = Buffer.byteLength(before.at(-1)!);
    throw new IpvlanError("template", { line: before.length, column, reason });
  }

  /** Fails as the template does not fit its data. */
  #failAt(offset: number, written: string, reason: string): never {
    const shown = written.length > MAX_SHOWN ? `${written.slice(0, MAX_SHOWN)}…` : written;
    this.#fail(offset, `executing "" at <${shown}>: ${reason}`);
  }

  #unexpected(): never {
    const [next = ""] = this.#see(NEXT);
    this.#fail(this.#at, WRONG.get(next) ?? `unexpected ${JSON.stringify(next)} in action`);
  }

  #nested<T>(offset: number, parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.#fail(offset, `nested deeper than ${MAX_DEPTH} levels`);
    const result = parse();
    this.#depth--;
    return result;
  }

  /** Parses up to `else` or `end` in an action, or to the end of the template. */
  #block(): Part {
    const visible = this.#variables.length;
    const parts: Part[] = [];
    for (;;) {
      const { text, opens } = this.#text();
      parts.push(({ print }) => void print(text));
      this.#start();
      if (!opens || this.#see(STOP).length > 0) break;
      if (this.#match(COMMENT).length > 0) this.#close();
      else parts.push(this.#action());
    }
    this.#variables.length = visible;
    return (scope) => {
      for (const part of parts) {
        const jump = part(scope);
        if (jump) return jump;
      }
    };
  }

  /** Reads a text, and what opens the action after it. `{{- ` and ` -}}` trim beside them. */
  #text(): { text: string; opens: boolean } {
    const start = this.#at;
    const open = this.#template.indexOf("{{", start);
    this.#at = open === -1 ? this.#template.length : open;
    let text = this.#template.slice(start, this.#at);
    if (this.#template.startsWith("-}}", start - 3)) text = text.trimStart();
    if (this.#match(OPEN)[0] === "{{-") text = text.trimEnd();
    return { text, opens: open !== -1 };
  }

  #action(): Part {
    const offset = this.#at;
    const [branch] = this.#match(BRANCH);
    if (branch) return this.#branch(branch, offset);
    const [keyword] = this.#match(KEYWORD);
    if (keyword === "break" || keyword === "continue") {
      if (this.#ranges === 0) this.#fail(offset, `{{${keyword}}} outside {{range}}`);
      this.#close();
      return () => keyword;
    }
    if (keyword) this.#fail(offset, `{{${keyword}}} is not supported: write one template`);
    const { slots, evaluate } = this.#pipe("command");
    this.#close();
    return (scope) => {
      const value = evaluate(scope);
      if (slots.length > 0) return;
      scope.print(value === undefined ? "<no value>" : printed(value));
    };
  }

  #close(): void {
    this.#match(SPACE);
    if (this.#match(CLOSE).length === 0) this.#unexpected();
  }

  #branch(kind: string, offset: number): Part {
    return this.#nested(offset, () => {
      const visible = this.#variables.length;
      const pipe = this.#pipe(kind);
      this.#close();
      if (kind === "range") this.#ranges++;
      const body = this.#block();
      if (kind === "range") this.#ranges--;
      const otherwise = this.#otherwise(kind, offset);
      this.#variables.length = visible;
      if (kind === "range") return this.#range(pipe, body, otherwise);
      return (scope) => {
        const value = pipe.evaluate(scope);
        if (!isTrue(value)) return otherwise(scope);
        return body(kind === "with" ? { ...scope, dot: value } : scope);
      };
    });
  }

  /** Parses what follows the first block of a branch, up to `{{end}}`. */
  #otherwise(kind: string, start: number): Part {
    let otherwise: Part = () => undefined;
    if (this.#take("else")) {
      const next = this.#start();
      const [branch] = this.#match(BRANCH);
      // `{{else if}}` shares the `{{end}}` of the branch that it belongs to.
      if (branch) return this.#branch(branch, next);
      this.#close();
      otherwise = this.#block();
      const [stop] = this.#see(STOP);
      if (stop === "else") this.#fail(this.#at, "expected end; found {{else}}");
    }
    if (!this.#take("end")) this.#fail(start, `unexpected EOF: {{${kind}}} has no {{end}}`);
    this.#close();
    return otherwise;
  }

  #range(pipe: Pipe, body: Part, otherwise: Part): Part {
    const [first, last = first] = pipe.slots;
    return (scope) => {
      const value = pipe.evaluate(scope);
      const elements = elementsOf(value) ??
        this.#failAt(pipe.offset, pipe.written, `range can't iterate over ${printed(value)}`);
      if (elements.length === 0) return otherwise(scope);
      for (const [key, element] of elements) {
        // The only variable gets the element.
        if (first !== undefined) scope.variables[first] = key;
        if (last !== undefined) scope.variables[last] = element;
        if (body({ ...scope, dot: element }) === "break") break;
      }
    };
  }

  /** Parses commands, and variables for their value, up to what cannot belong to them. */
  #pipe(context: string): Pipe {
    const start = this.#start();
    const [, declared = "", sign] = this.#match(DECLARATION);
    const names = declared.match(/\$[^\s,]*/g) ?? [];
    if (names.length > (context === "range" ? 2 : 1)) {
      this.#fail(start, `too many declarations in ${context}`);
    }
    const from = this.#start();
    if (this.#see(CLOSE).length > 0) this.#fail(from, `missing value for ${context}`);
    const first = this.#operand(true);
    const more: Evaluate[] = [];
    while (this.#take("|")) more.push(this.#operand(true));
    // A new variable can be used after the pipe that gives it its value.
    const slots = names.map((name) =>
      sign === "=" ? this.#slotOf(name, start) : this.#variables.push(name) - 1
    );
    const evaluate = (scope: Scope) => {
      // Each command gets the value of the one before as its last argument.
      const value = more.reduce((piped, each) => each(scope, [() => piped]), first(scope, []));
      for (const slot of slots) scope.variables[slot] = value;
      return value;
    };
    return { offset: start, written: this.#writtenFrom(start), slots, evaluate };
  }

  #slotOf(name: string, offset: number): number {
    const slot = this.#variables.lastIndexOf(name);
    if (slot === -1) this.#fail(offset, `undefined variable ${JSON.stringify(name)}`);
    return slot;
  }

  /**
   * Parses an operand: a term and its fields, as `.State.Pid`, `$x.Name` or `(index . 0).Id`.
   * The head of a command takes the operands after it as arguments.
   */
  #operand(isHead = false): Evaluate {
    const start = this.#start();
    const callable = this.#callable();
    const term = callable ?? this.#term();
    const [path = ""] = this.#match(MORE_FIELDS);
    const fields = path.split(".").slice(1);
    // Go, and so Docker, names the place of the first field after the term.
    const offset = path === "" ? start : this.#at - path.length;
    let written = this.#writtenFrom(start);
    const operands: Evaluate[] = [];
    while (isHead) {
      const [space] = this.#match(SPACE);
      if (this.#see(COMMAND_END).length > 0) break;
      if (space === "") this.#unexpected();
      operands.push(this.#operand());
    }
    // An error in the call of a function shows the whole call.
    if (callable && !written.startsWith(".")) written = this.#writtenFrom(start);
    return (scope, piped) => {
      const args = [...operands.map((operand) => () => operand(scope, [])), ...piped];
      // The last step gets the arguments.
      const argsOf = (step: number) => step === fields.length ? args : [];
      try {
        if (isHead && written === "nil") throw new Refusal("nil is not a command");
        if (!callable && fields.length === 0 && args.length > 0) {
          throw new Refusal(`can't give argument to non-function ${written}`);
        }
        const value = fields.reduce(
          (value, name, index) => field(value, name, argsOf(index + 1)),
          term(scope, argsOf(0)),
        );
        scope.spend(1 + sizeOf(value));
        return value;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.#failAt(offset, written, error.message);
      }
    };
  }

  /** Parses a function or a field, which may be a method: what can have arguments. */
  #callable(): Evaluate | undefined {
    const start = this.#at;
    const [found] = this.#match(FIELD);
    if (found) return ({ dot }, args) => field(dot, found.slice(1), args);
    const [name] = this.#match(FUNCTION);
    if (name === undefined) return undefined;
    if (!Object.hasOwn(FUNCTIONS, name)) {
      const hint = didYouMean(name, Object.keys(FUNCTIONS));
      this.#fail(start, `function ${JSON.stringify(name)} not defined${hint}`);
    }
    return ({ functions }, args) => call(name, functions[name]!, args);
  }

  #term(): Evaluate {
    const start = this.#at;
    for (const { kind, pattern, read } of LITERALS) {
      const [written] = this.#match(pattern);
      if (written === undefined) continue;
      const value = read(written) ?? this.#fail(start, `bad ${kind} syntax: ${written}`);
      return () => value;
    }
    if (this.#take("nil")) return () => undefined;
    if (this.#take(".")) return ({ dot }) => dot;
    const [variable] = this.#match(VARIABLE);
    if (variable !== undefined) {
      const slot = this.#slotOf(variable, start);
      return ({ variables }) => variables[slot];
    }
    if (!this.#take("(")) this.#unexpected();
    return this.#nested(start, () => {
      const { evaluate } = this.#pipe("parenthesized pipeline");
      if (!this.#take(")")) this.#fail(start, "unclosed left paren");
      return evaluate;
    });
  }
}
