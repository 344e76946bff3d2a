import { lstatOf } from "../../base/files.ts";
import { quoted } from "../../base/printable.ts";
import { STATE_FOLDER } from "../model/state_folder.ts";

/** The mode of the state folder, and of the files in it: only the owner has access. */
const [FOLDER_MODE, FILE_MODE] = [0o700, 0o600];

/** The lock file that a shell opens for each `ip`. The shell would make it with its umask. */
const PROGRAM_LOCK = "ip.lock";

/** The store with the files that SQLite keeps beside it, the locks, and the output of commands. */
const OURS =
  /^(ipvlan\.db(-wal|-shm|-journal)?|((sequence|ip|hosts|claims|agent)\.)?lock(\.gate)?|output)$/;

/**
 * Makes the lock file of the programs in a state folder, and removes the access of other users that an
 * earlier version or a wide umask has left. A user who can open a lock file can hold the lock.
 *
 * A folder that the driver did not make keeps its mode: others may need it, as they need `/tmp`.
 *
 * @param isOwn Whether the driver made the folder, as the default one. It makes others narrow at once.
 * @returns A sentence for each file or folder whose mode was too wide.
 */
export function guardStateFolder(folder: string, isOwn = folder === STATE_FOLDER): string[] {
  makeFile(`${folder}/${PROGRAM_LOCK}`);
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name);
  const files = names.filter((name) => OURS.test(name)).sort()
    .flatMap((name) => narrow(`${folder}/${name}`, FILE_MODE, "isFile"));
  const isOurs = isOwn && names.every((name) => OURS.test(name));
  return isOurs ? [...narrow(folder, FOLDER_MODE, "isDirectory"), ...files] : files;
}

function makeFile(path: string): void {
  // Do not open an existing file: opening a FIFO would block.
  if (lstatOf(path)) return;
  Deno.openSync(path, { write: true, create: true, mode: FILE_MODE }).close();
}

function narrow(path: string, mode: number, kind: "isFile" | "isDirectory"): string[] {
  const stat = lstatOf(path);
  const found = (stat?.mode ?? 0) & 0o777;
  if (!stat?.[kind] || (found & ~mode) === 0) return [];
  try {
    Deno.chmodSync(path, mode);
  } catch (error) {
    // Another user owns it and has given this one access.
    if (error instanceof Deno.errors.PermissionDenied) return [];
    throw error;
  }
  const text = (bits: number) => bits.toString(8).padStart(4, "0");
  return [
    `Other users could open ${quoted(path)}: its mode was ${text(found)}, now ${text(mode)}`,
  ];
}
