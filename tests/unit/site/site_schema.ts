import { SITE } from "../../../lib/site/format.ts";
import type { Shape } from "../../../lib/site/shape.ts";

/** A JSON Schema, or a part of one. */
export type JsonSchema = Record<string, unknown>;

/**
 * The JSON Schema (draft 2020-12) of a site file, for editors: `schema/site.json`. It says what the
 * shapes say; which addresses fit which subnets is beyond it.
 */
export function siteSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "An ipvlan site file",
    description: "Networks and sandboxes as they should be, for ipvlan apply",
    ...schemaOf(SITE),
  };
}

function schemaOf(shape: Shape): JsonSchema {
  switch (shape.kind) {
    case "text":
      return { type: "string", ...(shape.pattern !== undefined && { pattern: shape.pattern }) };
    case "number": {
      const [minimum, maximum] = shape.range;
      return { type: "integer", minimum, maximum };
    }
    case "switch":
      return { type: "boolean" };
    case "choice":
      return { enum: shape.of };
    case "list":
      return { type: "array", items: schemaOf(shape.of) };
    case "named":
      return {
        type: "object",
        propertyNames: schemaOf(shape.names),
        additionalProperties: valueSchema(shape.of),
      };
    case "either":
      return { anyOf: shape.of.map(schemaOf) };
    case "keys": {
      const properties = Object.entries(shape.keys).flatMap(([name, { alias, help, shape }]) => {
        const property = { description: help, ...valueSchema(shape) };
        return [[name, property], ...(alias === undefined ? [] : [[alias, property]])];
      });
      const twice = Object.entries(shape.keys).filter(([, { alias }]) => alias !== undefined)
        .map(([name, { alias }]) => ({ not: { required: [name, alias] } }));
      return {
        type: "object",
        properties: Object.fromEntries(properties),
        ...(shape.required !== undefined && { required: shape.required }),
        ...(shape.ignored !== undefined && { patternProperties: { [shape.ignored]: {} } }),
        additionalProperties: false,
        ...(twice.length > 0 && { allOf: twice }),
      };
    }
  }
}

/** How the value of a key is: a mapping may be left out, as in `web:`. */
function valueSchema(shape: Shape): JsonSchema {
  const shapes = shape.kind === "either" ? shape.of : [shape];
  const mapping = shapes.some(({ kind }) => kind === "named" || kind === "keys");
  return mapping ? { anyOf: [...shapes.map(schemaOf), { type: "null" }] } : schemaOf(shape);
}
