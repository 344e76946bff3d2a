/**
 * Copies of simulated hosts.
 *
 * @module
 */

/** Copies the files of a state folder, without what a reboot forgets, over those of another one. */
export function copyFiles(from: string, to: string): void {
  for (const { name, isFile } of [...Deno.readDirSync(to)]) {
    if (isFile) Deno.removeSync(`${to}/${name}`);
  }
  for (const { name, isFile } of Deno.readDirSync(from)) {
    if (isFile) Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Copies a host into an empty folder as a clone of its machine has it, with what a reboot forgets. */
export function copyHost(from: string, to: string): void {
  copyFiles(from, to);
  const place = (folder: string) => {
    const { dev, ino } = Deno.statSync(folder);
    return `${dev}:${ino}`;
  };
  Deno.mkdirSync(`${to}/run`);
  for (const { name } of Deno.readDirSync(`${from}/run`)) {
    const text = Deno.readTextFileSync(`${from}/run/${name}`);
    Deno.writeTextFileSync(`${to}/run/${name}`, text.replace(place(from), place(to)));
  }
}
