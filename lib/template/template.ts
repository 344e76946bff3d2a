// Go's text/template (https://pkg.go.dev/text/template), parsed to functions that run it.
import { Buffer } from "node:buffer";
import { IpvlanError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { type Argument, call, field, FUNCTIONS, type Functions } from "./functions.ts";
import { elementsOf, isTrue, printed, Refusal, typeName, type Value } from "./value.ts";

/** A text and an action, with what it trims. A comment is an action of nothing. */
const PIECE =
  /([^]*?)(?:(?:\s*\{\{-(?=\s)|\{\{)\s*(?:\/\*[^]*?\*\/|((?:"(?:[^"\\]|\\.)*"|`[^`]*`|[^"`}]|\}(?!\}))*?))(?:\s-\}\}\s*|\}\})|$)/dgy;

/** Space, and a part of an action: declaration, variable, text, number, fields, name, or a sign. */
const PART =
  /(\s*)(\$[\p{L}\p{Nd}_]*(?:(?:\s*,\s*\$[\p{L}\p{Nd}_]*)?\s*:?=)?|"(?:[^"\\]|\\.)*"|`[^`]*`|[+-]?\d[\w.]*|(?:\.[\p{L}\p{Nd}_]+)+|[\p{L}_][\p{L}\p{Nd}_]*|\}\}|\S)/gu;

const BRANCH = /^(if|with|range)$/;
const FIELDS = /^\../u;
const END = /^\}\}$/;

interface Token {
  readonly written: string;
  readonly at: number;
  readonly isText: boolean;
  /** Whether a part of an action has space before it. */
  readonly isApart: boolean;
}

/** What the parts of a template work with while it prints a value. */
interface Scope {
  readonly dot: Value;
  /** The values of variables, by their numbers. The first is `$`, the data. */
  readonly variables: Value[];
  readonly functions: Functions;
}

type Part = (scope: Scope) => string;

/** Gives a value. A function or method has arguments; the value from a pipe is the last one. */
type Evaluate = (scope: Scope, args?: readonly Argument[]) => Value;

/**
 * A template as `docker inspect --format` takes it: Go's text/template with Docker's functions,
 * without `block`, `define`, `template`, `break`, `continue`, `slice`, and what escapes for HTML,
 * JavaScript and URLs. Texts in double quotes and numbers are those of JSON.
 */
export class Template {
  readonly #template: string;
  readonly #tokens: readonly Token[];
  readonly #run: Part;
  /** The number of the token where the parsing is. */
  #next = 0;
  /** The variables that can be used there, by their numbers. */
  readonly #variables = ["$"];

  /** Parses a template. @throws {"template"} */
  constructor(template: string) {
    this.#template = template;
    this.#tokens = this.#bounded(() => this.#read());
    this.#run = this.#bounded(() => this.#block());
    if (this.#token) this.#unexpected();
  }

  /** Prints a value, with other functions for the header of a table. @throws {"template"} */
  print(data: Value, functions: Functions = FUNCTIONS): string {
    return this.#bounded(() => this.#run({ dot: data, variables: [data], functions }));
  }

  /** Does what may nest deeper, or print more, than JavaScript can: that throws a RangeError. */
  #bounded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#fail(this.#at, "nested too deeply, or too much to print");
    }
  }

  #read(): Token[] {
    return [...this.#template.matchAll(PIECE)].flatMap(({ 1: text, 2: inner, index, indices }) => {
      const open = text!.indexOf("{{");
      if (open >= 0) this.#fail(index + open + 2, "unclosed action, comment or text");
      const before = { written: text!, at: index, isText: true, isApart: false };
      if (inner === undefined) return before;
      return [
        before,
        ...`${inner}}}`.matchAll(PART).map(({ 1: space, 2: written, index }) => {
          const at = indices![2]![0] + index + space!.length;
          return { written: written!, at, isText: false, isApart: space !== "" };
        }),
      ];
    });
  }

  get #token(): Token | undefined {
    return this.#tokens[this.#next];
  }

  get #at(): number {
    return this.#token?.at ?? this.#template.length;
  }

  #see(pattern: RegExp): boolean {
    return this.#token?.isText === false && pattern.test(this.#token.written);
  }

  /** Reads a part of an action, if the pattern fits it. */
  #take(pattern: RegExp): string | undefined {
    return this.#see(pattern) ? this.#tokens[this.#next++]!.written : undefined;
  }

  #writtenFrom(start: number): string {
    return this.#template.slice(start, this.#at).trimEnd();
  }

  #close(): void {
    if (!this.#take(END)) this.#unexpected();
  }

  #unexpected(): never {
    this.#fail(this.#at, `unexpected ${this.#see(END) ? "end of action" : this.#token!.written}`);
  }

  /** @param part What does not fit the data. */
  #fail(at: number, reason: string, part?: string): never {
    const before = this.#template.slice(0, at).split("\n");
    const column = Buffer.byteLength(before.at(-1)!);
    if (part !== undefined) reason = `executing "" at <${part}>: ${reason}`;
    throw new IpvlanError("template", { line: before.length, column, reason });
  }

  /** Parses up to `else` or `end` in an action, or to the end of the template. */
  #block(): Part {
    const visible = this.#variables.length;
    const parts: Part[] = [];
    while (this.#token && !this.#see(/^(else|end)$/)) {
      const { isText, written } = this.#token;
      if (isText) this.#next++;
      parts.push(isText ? () => written : this.#see(BRANCH) ? this.#branch() : this.#print());
    }
    this.#variables.length = visible;
    return (scope) => parts.map((part) => part(scope)).join("");
  }

  #print(): Part {
    const { slots, evaluate } = this.#pipe();
    this.#close();
    return (scope) => {
      const value = evaluate(scope);
      return slots.length > 0 ? "" : value === undefined ? "<no value>" : printed(value);
    };
  }

  #branch(): Part {
    const visible = this.#variables.length;
    const start = this.#at;
    const kind = this.#take(BRANCH);
    const at = this.#at;
    const { slots: [first, last = first], evaluate } = this.#pipe(kind === "range");
    const written = this.#writtenFrom(at);
    this.#close();
    const body = this.#block();
    let otherwise: Part = () => "";
    const hasElse = this.#take(/^else$/);
    // `{{else if}}` shares the `{{end}}` of the branch that it belongs to.
    if (hasElse && this.#see(BRANCH)) otherwise = this.#branch();
    else {
      if (hasElse) this.#close(), otherwise = this.#block();
      if (!this.#take(/^end$/)) this.#fail(start, `{{${kind}}} has no {{end}}`);
      this.#close();
    }
    this.#variables.length = visible;
    return (scope) => {
      const value = evaluate(scope);
      const elements = kind === "range" ? elementsOf(value) : isTrue(value) ? [[0, value]] : [];
      if (!elements) this.#fail(at, `range can't iterate over ${typeName(value)}`, written);
      if (elements.length === 0) return otherwise(scope);
      if (kind === "if") return body(scope);
      return elements.map(([key, dot]) => {
        // The only variable gets the element.
        if (first !== undefined) scope.variables[first] = key;
        if (last !== undefined) scope.variables[last] = dot;
        return body({ ...scope, dot });
      }).join("");
    };
  }

  /** Parses commands, and the numbers of the variables that get their value. */
  #pipe(isRange = false): { slots: readonly number[]; evaluate: Evaluate } {
    const at = this.#at;
    const declaration = this.#take(/^\$.*=$/s);
    if (!isRange && declaration?.includes(",")) this.#fail(at, "only range has two variables");
    const first = this.#operand(true);
    const more: Evaluate[] = [];
    while (this.#take(/^\|$/)) more.push(this.#operand(true));
    // A new variable can be used after the pipe that gives it its value.
    const slots =
      declaration?.match(/\$[^\s,:=]*/g)?.map((name) =>
        declaration.endsWith(":=") ? this.#variables.push(name) - 1 : this.#slotOf(name, at)
      ) ?? [];
    const evaluate = (scope: Scope) => {
      // Each command gets the value of the one before as its last argument.
      const value = more.reduce((piped, each) => each(scope, [() => piped]), first(scope));
      for (const slot of slots) scope.variables[slot] = value;
      return value;
    };
    return { slots, evaluate };
  }

  #slotOf(name: string, at: number): number {
    const slot = this.#variables.lastIndexOf(name);
    return slot === -1 ? this.#fail(at, `undefined variable "${name}"`) : slot;
  }

  /**
   * Parses a term and its fields, as `.State.Pid`, `$x.Name` or `(index . 0).Id`. The head of a
   * command takes the operands after it as arguments.
   */
  #operand(isHead = false): Evaluate {
    const start = this.#at;
    const isField = this.#see(FIELDS);
    const name = this.#take(/^(?!(nil|true|false)$)[\p{L}_]/u);
    const term = isField ? ({ dot }: Scope) => dot : this.#term(name, start);
    const path = isField || !this.#token?.isApart ? this.#take(FIELDS) : undefined;
    const fields = path?.split(".").slice(1) ?? [];
    const operands: Evaluate[] = [];
    while (isHead && !this.#see(/^([|)]|\}\})$/)) {
      if (!this.#token!.isApart) this.#unexpected();
      operands.push(this.#operand());
    }
    const written = this.#writtenFrom(start);
    return (scope, piped = []) => {
      const args = [...operands.map((operand) => () => operand(scope)), ...piped];
      const last = fields.length - 1;
      try {
        if (name === undefined && last < 0 && args.length > 0) {
          throw new Refusal("only a function has arguments");
        }
        return fields.reduce(
          (value, each, index) => field(value, each, index === last ? args : []),
          term(scope, last < 0 ? args : []),
        );
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.#fail(start, error.message, written);
      }
    };
  }

  #term(name: string | undefined, start: number): Evaluate {
    if (name !== undefined) {
      const hint = didYouMean(name, Object.keys(FUNCTIONS));
      if (!Object.hasOwn(FUNCTIONS, name)) {
        this.#fail(start, `function "${name}" not defined${hint}`);
      }
      return ({ functions }, args = []) => call(name, functions, args);
    }
    if (this.#take(/^\.$/)) return ({ dot }) => dot;
    if (this.#see(/^\$/)) {
      const slot = this.#slotOf(this.#take(/^/)!, start);
      return ({ variables }) => variables[slot];
    }
    if (this.#take(/^\($/)) {
      const { evaluate } = this.#pipe();
      if (!this.#take(/^\)$/)) this.#fail(start, "unclosed left paren");
      return evaluate;
    }
    const written = this.#take(/^(["`][^]|[+-]?\d|[a-z])/) ?? this.#unexpected();
    if (written === "nil") return () => undefined;
    if (written.startsWith("`")) return () => written.slice(1, -1);
    try {
      // `--format` makes a tab of `\t`, and a line end of `\n`. JSON has them escaped.
      const value: Value = JSON.parse(written.replaceAll("\t", "\\t").replaceAll("\n", "\\n"));
      return () => value;
    } catch {
      this.#fail(start, `no text or number of JSON: ${written}`);
    }
  }
}
