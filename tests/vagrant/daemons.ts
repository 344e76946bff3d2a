import { sh } from "./checks.ts";

/** libvirt's daemons, in the order of their start. */
const DAEMONS = ["virtlogd", "libvirtd"];

/** Starts libvirt without an init system, and waits until it answers. */
export async function startDaemons(say: (line: string) => void): Promise<void> {
  say("starting libvirt");
  for (const name of DAEMONS) await sh(`${name} --daemon --pid-file /run/${name}.pid`);
  // We get no notice when libvirt is ready, so we poll.
  await sh("until virsh version > /dev/null 2>&1; do sleep 0.2; done");
}

/** Ends the daemons, and waits until they are gone. */
export async function endDaemons(): Promise<void> {
  for (const name of DAEMONS.toReversed()) {
    await sh(`
      id=$(cat /run/${name}.pid)
      kill "$id"
      while [ -e "/proc/$id" ]; do sleep 0.1; done`);
  }
}
