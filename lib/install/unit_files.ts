/**
 * The files of systemd's units.
 *
 * @module
 */
import { IpvlanError } from "../base/errors.ts";
import { replaceFile } from "../base/files.ts";

/** The folder of an administrator's units (systemd.unit(5)). */
const FOLDER = "/etc/systemd/system";

/** Units by file name. */
export type Units = Readonly<Record<string, string>>;

/** The text of units, with the path of each before it. */
export function unitsText(units: Units): string {
  return Object.entries(units).map(([name, text]) => `# ${FOLDER}/${name}\n${text}`).join("\n\n");
}

/** Writes units, and returns the paths of the files. */
export function writeUnits(units: Units): string[] {
  const paths: string[] = [];
  for (const [name, text] of Object.entries(units)) {
    const path = `${FOLDER}/${name}`;
    try {
      replaceFile(path, `${text}\n`, 0o644);
    } catch (error) {
      throw new IpvlanError("unwritable-file", { path, reason: (error as Error).message }, {
        cause: error,
      });
    }
    paths.push(path);
  }
  return paths;
}
