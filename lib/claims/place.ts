/**
 * A text that differs after a reboot, and for a copy of the state folder: the kernel's boot id
 * (random(4)) and the folder's inode. The first use of a state folder in another place counts up the
 * host's epoch, so that of two hosts with copies of one folder, etcd refuses one.
 */
export function placeOf(stateFolder: string): string {
  const { dev, ino } = Deno.statSync(stateFolder);
  return `${bootId()} ${dev}:${ino}`;
}

/** The kernel's boot id; empty where it cannot be read. */
function bootId(): string {
  try {
    return Deno.readTextFileSync("/proc/sys/kernel/random/boot_id").trim();
  } catch {
    return "";
  }
}
