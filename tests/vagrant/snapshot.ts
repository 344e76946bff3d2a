import { sh } from "./checks.ts";

/** Scripts that list everything that the test could leave on the machine or change. */
const VIEWS = {
  links: "ip -o link | sed 's/@.*//; s/: <.*//'",
  namespaces: "ls /run/netns /etc/netns 2> /dev/null || true",
  mounts: "cat /proc/self/mounts",
  "loop devices": "losetup --noheadings --output NAME,BACK-FILE",
  processes: "ps -e -o comm= | grep -E 'libvirt|virtlog|qemu|dnsmasq|vagrant|ruby' | sort",
  "settings of the kernel":
    "sysctl -a 2> /dev/null | grep -E 'ip_forward|bridge-nf|modprobe' || true",
  // The size and the time show whether a file was written.
  files: "find /etc /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /run /root/.vagrant.d " +
    "-xdev -not -path '/run/utmp*' -printf '%p %s %t\\n' 2> /dev/null | sort",
  "temporary files": `ls "\${TMPDIR:-/tmp}" | grep -E 'ipvlan-vagrant|^vagrant|mmdebstrap' || true`,
  checkout: "find . -path ./.git -prune -o -printf '%p %s %t\\n' | sort",
};

/** Runs the scripts, and returns the lines of each. */
export async function snapshot(): Promise<Record<string, string[]>> {
  const views: Record<string, string[]> = {};
  for (const [name, script] of Object.entries(VIEWS)) views[name] = (await sh(script)).split("\n");
  return views;
}
