/** Puts a value into the environment until the end of the scope. */
export function inEnv(name: string, value: string): Disposable {
  const before = Deno.env.get(name);
  Deno.env.set(name, value);
  return {
    [Symbol.dispose]: () =>
      before === undefined ? Deno.env.delete(name) : Deno.env.set(name, before),
  };
}
