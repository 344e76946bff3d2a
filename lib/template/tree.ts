// The parts of a parsed template.

/** A part that runs: it prints, decides or repeats. */
export type Statement =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly pipe: Pipe }
  | Branch
  | { readonly kind: "break" }
  | { readonly kind: "continue" };

/** `{{if}}`, `{{with}}` or `{{range}}`. */
export interface Branch {
  readonly kind: "if" | "with" | "range";
  /** The value that decides. */
  readonly pipe: Pipe;
  /** The statements to run if it is not empty; `range`: for each element. */
  readonly body: readonly Statement[];
  /** The statements after `{{else}}`. */
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
  /** The commands, at least one. */
  readonly commands: readonly Command[];
}

/** A value, or a function or method with its arguments. */
export interface Command {
  /** The value or function. */
  readonly head: Operand;
  readonly rest: readonly Operand[];
}

/** A value or a function, and the fields that follow it: `.State.Pid`, `$x.Name`, `(index . 0).Id`. */
export interface Operand extends Place {
  readonly base: Base;
  readonly fields: readonly string[];
}

/** The start of an operand, before its fields. */
export type Base =
  | { readonly kind: "dot" }
  | { readonly kind: "nil" }
  | { readonly kind: "constant"; readonly value: string | number | bigint | boolean }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "pipe"; readonly pipe: Pipe };
