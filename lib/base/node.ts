/** Loads a module of Node at its first use: an `import` takes up to 20 ms at every start. */
export function nodeModule<Name extends keyof Modules>(name: Name): Modules[Name] {
  // deno-lint-ignore no-process-global
  return process.getBuiltinModule(name);
}

interface Modules {
  "node:crypto": typeof import("node:crypto");
  "node:fs": typeof import("node:fs");
  "node:os": typeof import("node:os");
}
