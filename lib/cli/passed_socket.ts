/** The first file descriptor that systemd passes (`SD_LISTEN_FDS_START` of sd_listen_fds(3)). */
const FIRST = 3;

/**
 * The file descriptor of the socket that systemd has passed, as sd_listen_fds(3) finds it.
 *
 * @param pid The id of this process. The variables may be meant for a parent of it.
 */
export function passedSocket(
  { LISTEN_PID, LISTEN_FDS }: Readonly<Record<string, string>>,
  pid: number,
): number | undefined {
  return LISTEN_PID === String(pid) && Number(LISTEN_FDS) > 0 ? FIRST : undefined;
}
