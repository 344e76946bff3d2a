/**
 * What `ipvlan lab` does in a package, in place of `lab/main.ts`.
 *
 * @module
 */

/** Says where the lab is. */
export function main(_words: readonly string[]): Promise<number> {
  console.error("ipvlan: The package has no lab: clone the project, and type npx -y deno task lab");
  return Promise.resolve(125);
}
