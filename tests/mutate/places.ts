/**
 * A plugin of `deno lint` that finds the places where code can be broken. It reports each one with a
 * message of JSON: `[start, end, text, decides]`, the range in UTF-16 code units, what to put there, and
 * whether the code decides. Code decides unless it stands in an async function of a room that uses the
 * kernel: that one does what others decide.
 *
 * @module
 */

/** The operator that breaks another one. */
const OPERATORS: Readonly<Record<string, string>> = {
  "===": "!==",
  "!==": "===",
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "+": "-",
  "-": "+",
  "*": "+",
  "%": "*",
  "&": "|",
  "|": "&",
  "<<": ">>",
  ">>": "<<",
  "&&": "||",
  "||": "&&",
};

/** A node with a place in the text. */
interface Ranged {
  range: [number, number];
}

/** A text that `+` joins to another one: not a number to count with. */
function isText(node: Deno.lint.Node): boolean {
  return node.type === "TemplateLiteral" ||
    node.type === "Literal" && typeof node.value === "string";
}

/** The rooms that know no kernel. Whatever they do can be tried without one. */
const WITHOUT_KERNEL = /\/lib\/(base|claims|ipam|template)\//;

/** Whether a node stands in an async function, or in a function within one. */
function isInAsync(node: Deno.lint.Node): boolean {
  for (let above = node; above.type !== "Program";) {
    if ("async" in above && above.async) return true;
    above = (above as { parent: Deno.lint.Node }).parent;
  }
  return false;
}

const plugin: Deno.lint.Plugin = {
  name: "mutate",
  rules: {
    place: {
      create(context) {
        const knowsNoKernel = WITHOUT_KERNEL.test(context.filename);
        const textOf = ({ range: [start, end] }: Ranged) =>
          context.sourceCode.text.slice(start, end);
        const report = (node: Ranged & Deno.lint.Node, text: string) => {
          const message = JSON.stringify([...node.range, text, knowsNoKernel || !isInAsync(node)]);
          context.report({ range: node.range, message });
        };
        const invert = (test: Deno.lint.Expression) => {
          // These are broken by themselves.
          if (/^(Binary|Logical|Unary)Expression$/.test(test.type)) return;
          report(test, `!(${textOf(test)})`);
        };
        const exchange = (
          node: Deno.lint.BinaryExpression | Deno.lint.LogicalExpression,
        ) => {
          const { left, right, operator } = node;
          const other = OPERATORS[operator];
          if (other === undefined || isText(left) || isText(right)) return;
          report(node, `${textOf(left)} ${other} ${textOf(right)}`);
        };
        return {
          BinaryExpression: exchange,
          LogicalExpression(node) {
            if (node.operator === "??") report(node, textOf(node.left));
            else exchange(node);
          },
          UnaryExpression(node) {
            if (node.operator === "!") report(node, textOf(node.argument));
          },
          IfStatement: ({ test }) => invert(test),
          ConditionalExpression: ({ test }) => invert(test),
          Literal(node) {
            const { value } = node;
            // The type `true` is none that runs.
            if (node.parent.type === "TSLiteralType") return;
            if (typeof value === "boolean") report(node, `${!value}`);
            if (typeof value === "number") {
              // The value of a number with separators is NaN here.
              report(node, `${Number(textOf(node).replaceAll("_", "")) + 1}`);
            }
            if (typeof value === "bigint") report(node, `${value + 1n}n`);
          },
          ExpressionStatement(node) {
            const call = node.expression.type === "AwaitExpression"
              ? node.expression.argument
              : node.expression;
            if (call.type === "CallExpression") report(node, ";");
          },
        };
      },
    },
  },
};

export default plugin;
