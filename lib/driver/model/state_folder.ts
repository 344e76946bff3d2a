/** The state folder if neither the caller nor the environment names one. */
export const STATE_FOLDER = "/var/lib/ipvlan";

/**
 * The state folder if the caller gives none: that of the environment variable `IPVLAN_STATE_DIR`, or
 * {@linkcode STATE_FOLDER} if the variable is empty or not set.
 */
export function stateFolder(): string {
  return Deno.env.get("IPVLAN_STATE_DIR") || STATE_FOLDER;
}

export const STORE_FILE = "ipvlan.db";

export function storeFile(folder: string): string {
  return `${folder}/${STORE_FILE}`;
}
