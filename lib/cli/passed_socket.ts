/** The first file descriptor that systemd passes (`SD_LISTEN_FDS_START` of sd_listen_fds(3)). */
const FIRST = 3;

/**
 * Finds the file descriptor of the socket that systemd passed, as sd_listen_fds(3) does.
 *
 * @param pid The id of this process: the variables may be for a parent process.
 */
export function passedSocket(
  { LISTEN_PID, LISTEN_FDS }: Readonly<Record<string, string>>,
  pid: number,
): number | undefined {
  return LISTEN_PID === String(pid) && Number(LISTEN_FDS) > 0 ? FIRST : undefined;
}
