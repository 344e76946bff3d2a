import { didYouMean } from "../base/suggest.ts";
import {
  elementsOf,
  fits,
  FUNCTION_NAMES,
  FUNCTIONS,
  type Functions,
  MAX_TEXT,
  sizeOf,
  type TemplateFunction,
} from "./functions.ts";
import {
  type Branch,
  type Command,
  type Operand,
  Parser,
  type Pipe,
  type Place,
  type Statement,
} from "./parse.ts";
import { templateError } from "./scan.ts";
import { isMap, isStruct, isTrue, printed, Refusal, typeName, type Value } from "./value.ts";

/** The most characters of a part of the template in an error. */
const MAX_SHOWN = 60;

/**
 * A template as `docker inspect --format` takes it: Go's text/template
 * (https://pkg.go.dev/text/template) with Docker's functions, without `block`, `define`, `template`
 * and the functions that escape for HTML, JavaScript and URLs. A template that would take very long,
 * or very much memory, ends with an error.
 */
export class Template {
  readonly #text: string;
  readonly #statements: readonly Statement[];

  /** Parses a template. With escapes, texts may have `\t` and `\n`. @throws {"template"} */
  constructor(text: string, escapes = false) {
    this.#text = text;
    this.#statements = new Parser(text, FUNCTION_NAMES, escapes).all();
  }

  /** Prints a value, with other functions for the header of a table. @throws {"template"} */
  print(data: Value, functions: Functions = FUNCTIONS): string {
    const execution = new Execution(this.#text, data, functions);
    execution.run(this.#statements, data);
    return execution.out.join("");
  }
}

/** An argument before it is evaluated, or the value of the command before, which is the last one. */
type Argument = Operand | { readonly piped: Value };

/** One printing of one value. */
class Execution {
  readonly out: string[] = [];
  readonly #text: string;
  readonly #functions: Functions;
  /** The variables that are visible, the innermost last. */
  readonly #variables: { name: string; value: Value }[];
  /** The number of steps, printed characters and read elements that are still allowed. */
  #left = MAX_TEXT;

  constructor(text: string, data: Value, functions: Functions) {
    this.#text = text;
    this.#functions = functions;
    this.#variables = [{ name: "$", value: data }];
  }

  /** Runs statements. Returns how a `range` around them goes on, if they say so. */
  run(statements: readonly Statement[], dot: Value): "break" | "continue" | undefined {
    for (const statement of statements) {
      const jump = this.#statement(statement, dot);
      if (jump) return jump;
    }
  }

  #statement(statement: Statement, dot: Value): "break" | "continue" | undefined {
    if (statement.kind === "text") {
      this.#print(statement.text);
    } else if (statement.kind === "action") {
      const value = this.#pipe(statement.pipe, dot);
      if (statement.pipe.variables.length > 0) return;
      this.#print(value === undefined ? "<no value>" : printed(value));
    } else if (statement.kind === "break" || statement.kind === "continue") {
      return statement.kind;
    } else {
      const visible = this.#variables.length;
      const jump = statement.kind === "range"
        ? this.#range(statement, dot)
        : this.#ifOrWith(statement, dot);
      this.#variables.length = visible;
      return jump;
    }
  }

  #ifOrWith({ kind, pipe, body, otherwise }: Branch, dot: Value) {
    const value = this.#pipe(pipe, dot);
    if (!isTrue(value)) return this.run(otherwise, dot);
    return this.run(body, kind === "with" ? value : dot);
  }

  #range({ pipe, body, otherwise }: Branch, dot: Value) {
    const value = this.#pipe({ ...pipe, variables: [] }, dot);
    const elements = elementsOf(value);
    if (!elements) this.#fail(pipe, `range can't iterate over ${printed(value)}`);
    this.#spend(elements.length);
    if (elements.length === 0) return this.run(otherwise, dot);
    const visible = this.#variables.length;
    const { variables, assigns } = pipe;
    for (const [key, element] of elements) {
      const values = variables.length === 2 ? [key, element] : [element];
      variables.forEach((name, index) => this.#set(name, values[index], assigns, pipe));
      const jump = this.run(body, element);
      this.#variables.length = visible;
      if (jump === "break") break;
    }
  }

  #pipe(pipe: Pipe, dot: Value): Value {
    let value: Value;
    for (const [index, command] of pipe.commands.entries()) {
      value = this.#command(command, dot, index === 0 ? [] : [{ piped: value }]);
    }
    for (const name of pipe.variables) this.#set(name, value, pipe.assigns, pipe);
    return value;
  }

  #set(name: string, value: Value, assigns: boolean, place: Place): void {
    if (!assigns) {
      this.#variables.push({ name, value });
      return;
    }
    const variable = this.#variables.findLast((variable) => variable.name === name);
    if (!variable) this.#fail(place, `undefined variable: ${name}`);
    variable.value = value;
  }

  #command({ head, rest }: Command, dot: Value, piped: readonly Argument[]): Value {
    if (head.base.kind === "nil") this.#fail(head, "nil is not a command");
    return this.#operand(head, dot, [...rest, ...piped]);
  }

  #argument(argument: Argument, dot: Value): Value {
    return "piped" in argument ? argument.piped : this.#operand(argument, dot);
  }

  #operand(operand: Operand, dot: Value, args: readonly Argument[] = []): Value {
    this.#spend(1);
    const { base, fields } = operand;
    if (base.kind === "function" && fields.length === 0) {
      return this.#call(operand, base.name, dot, args);
    }
    if (fields.length === 0 && args.length > 0) {
      this.#fail(operand, `can't give argument to non-function ${operand.written}`);
    }
    return fields.reduce(
      (value, name, index) =>
        this.#field(operand, value, name, dot, index === fields.length - 1 ? args : []),
      this.#base(operand, dot),
    );
  }

  #base(operand: Operand, dot: Value): Value {
    const { base } = operand;
    switch (base.kind) {
      case "dot":
        return dot;
      case "nil":
        return undefined;
      case "constant":
        return base.value;
      case "variable":
        return this.#variables.findLast(({ name }) => name === base.name)?.value;
      case "function":
        return this.#call(operand, base.name, dot, []);
      case "pipe":
        return this.#pipe(base.pipe, dot);
    }
  }

  /** The field of a value. A method gets the arguments. */
  #field(
    operand: Operand,
    value: Value,
    name: string,
    dot: Value,
    args: readonly Argument[],
  ): Value {
    // As in Go, a field of a missing value is missing.
    if (value === undefined) return undefined;
    if (value === null) this.#fail(operand, `nil pointer evaluating .${name}`);
    if (isMap(value)) {
      if (args.length > 0) this.#fail(operand, `${name} is not a method but has arguments`);
      return value.get(name);
    }
    if (!isStruct(value)) {
      this.#fail(operand, `can't evaluate field ${name} in type ${typeName(value)}`);
    }
    if (!Object.hasOwn(value, name)) {
      const hint = didYouMean(name, Object.keys(value));
      this.#fail(operand, `can't evaluate field ${name}${hint}`);
    }
    const field = value[name];
    if (typeof field === "function") {
      const parameters = Array.from({ length: field.length }, () => "string" as const);
      const run = ([argument]: readonly Value[]) => field(argument as string);
      return this.#invoke(operand, name, { parameters, run }, dot, args);
    }
    if (args.length > 0) {
      this.#fail(operand, `${name} has arguments but cannot be invoked as function`);
    }
    return field;
  }

  #call(operand: Operand, name: string, dot: Value, args: readonly Argument[]): Value {
    if (name === "and" || name === "or") return this.#decide(operand, name, dot, args);
    return this.#invoke(operand, name, this.#functions[name]!, dot, args);
  }

  /** Evaluates `and` or `or` up to the first argument that decides. That one is the result. */
  #decide(operand: Operand, name: "and" | "or", dot: Value, args: readonly Argument[]): Value {
    if (args.length === 0) this.#wrongNumber(operand, name, "at least 1", 0);
    let value: Value;
    for (const argument of args) {
      value = this.#argument(argument, dot);
      if (isTrue(value) === (name === "or")) break;
    }
    return value;
  }

  #invoke(
    operand: Operand,
    name: string,
    { parameters, more, run }: TemplateFunction,
    dot: Value,
    args: readonly Argument[],
  ): Value {
    const { length } = parameters;
    if (args.length < length || more === undefined && args.length > length) {
      this.#wrongNumber(operand, name, more ? `at least ${length}` : `${length}`, args.length);
    }
    const values = args.map((argument) => this.#argument(argument, dot));
    for (const [index, value] of values.entries()) {
      const parameter = parameters[index] ?? more!;
      if (!fits(value, parameter)) {
        const argument = args[index]!;
        const place = "piped" in argument ? operand : argument;
        this.#fail(place, `wrong type for value; expected ${parameter}; got ${typeName(value)}`);
      }
      this.#spend(sizeOf(value));
    }
    try {
      const value = run(values);
      this.#spend(sizeOf(value));
      return value;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#fail(operand, `error calling ${name}: ${error.message}`);
    }
  }

  #wrongNumber(operand: Operand, name: string, want: string, got: number): never {
    this.#fail(operand, `wrong number of args for ${name}: want ${want} got ${got}`);
  }

  #print(text: string): void {
    this.#spend(text.length);
    this.out.push(text);
  }

  #spend(steps: number): void {
    this.#left -= steps;
    if (this.#left >= 0) return;
    this.#fail({ offset: 0, written: this.#text }, "it takes too long or prints too much");
  }

  #fail({ offset, written }: Place, reason: string): never {
    const shown = written.length > MAX_SHOWN ? `${written.slice(0, MAX_SHOWN)}…` : written;
    throw templateError(this.#text, offset, `executing "" at <${shown}>: ${reason}`);
  }
}
