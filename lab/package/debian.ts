/**
 * What Debian wants to know of a package (Debian Policy, deb-control(5)). All functions are pure.
 *
 * @module
 */
import type { Arch } from "./deno.ts";
import { packagedUnits } from "./files.ts";

/** The name of the package. */
export const NAME = "ipvlan-kit";

/** Who answers for the package. It has no address of its own: RFC 2606 keeps `invalid` for that. */
const MAINTAINER = "The ipvlan-kit authors <authors@ipvlan-kit.invalid>";

const UNITS = Object.keys(packagedUnits());
const SOCKETS = UNITS.filter((name) => name.endsWith(".socket")).join(" ");

/** The servers that an upgrade starts again. Their sockets are systemd's, so that no call is lost. */
const SERVERS = UNITS
  .filter((name) => name.endsWith(".service") && name !== "ipvlan.service").join(" ");

/** The fields of the package. @param kilobytes The size of its files. */
export function controlOf(version: string, arch: Arch, kilobytes: number): string {
  return `Package: ${NAME}
Version: ${version}
Architecture: ${arch}
Maintainer: ${MAINTAINER}
Installed-Size: ${kilobytes}
Depends: libc6 (>= 2.27), libgcc-s1, iproute2
Section: net
Priority: optional
Description: ipvlan and VLAN networks, for namespaces and container engines
 The networks that Docker's ipvlan driver makes, with IPv4 and IPv6, in L2
 and L3 mode, on 802.1q sub-interfaces that come and go with them: by a
 command like "docker network", from YAML files, and as a plugin of Docker,
 Podman, containerd and Kubernetes.
`;
}

/** The changelog in Debian's form, which says where the real one is. */
export function changelogOf(version: string, epoch: number): string {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  return `${NAME} (${version}) unstable; urgency=medium

  * See /usr/share/doc/${NAME}/CHANGELOG.md.gz.

 -- ${MAINTAINER}  ${date}
`;
}

/** The scripts that dpkg runs (Debian Policy, chapter 6). */
export const SCRIPTS: Readonly<Record<string, string>> = {
  postinst: `#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
# This fills the cache. Ordinary users read it, and cannot write to it.
/usr/bin/ipvlan --version > /dev/null
if [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload > /dev/null || true
  # After an upgrade. A socket of systemd's keeps the calls meanwhile.
  [ -z "$2" ] || deb-systemd-invoke try-restart ${SERVERS} > /dev/null || true
fi
`,
  prerm: `#!/bin/sh
set -e
[ "$1" = remove ] || exit 0
# What "install" has written starts this program. Its units are removed only when they are disabled.
for engine in docker cni netavark agent; do
  for unit in "ipvlan-$engine.socket" "ipvlan-$engine.service"; do
    [ ! -e "/etc/systemd/system/$unit" ] ||
      systemctl disable --now "$unit" > /dev/null 2>&1 || true
  done
  /usr/bin/ipvlan "$engine" uninstall > /dev/null 2>&1 || true
done
if [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop ${SOCKETS} ${SERVERS} > /dev/null 2>&1 || true
fi
# Networks and sandboxes go on. A purge takes the records only if they are read and there are none.
rm -f /var/lib/ipvlan/unused
if ! left=$(/usr/bin/ipvlan network ls -q && /usr/bin/ipvlan ps -aq) || [ -n "$left" ]; then
  echo "Networks and sandboxes of ipvlan go on, and /var/lib/ipvlan stays." >&2
elif [ -d /var/lib/ipvlan ]; then
  : > /var/lib/ipvlan/unused
fi
`,
  postrm: `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload > /dev/null || true
fi
if [ "$1" = remove ] || [ "$1" = purge ]; then
  rm -rf /var/cache/${NAME}
fi
[ "$1" = purge ] || exit 0
# Folders that it has made for others, if nothing is in them.
rmdir /etc/netns /opt/cni/bin /opt/cni /usr/local/libexec/netavark 2> /dev/null || true
if command -v deb-systemd-helper > /dev/null; then
  deb-systemd-helper purge ${UNITS.join(" ")} > /dev/null || true
fi
if [ -e /var/lib/ipvlan/unused ]; then
  rm -rf /var/lib/ipvlan || true
elif [ -e /var/lib/ipvlan ]; then
  echo "/var/lib/ipvlan stays: networks were there. Remove it after a restart of the machine." >&2
fi
`,
};

/** What lintian finds, and why it stays. */
export const OVERRIDES = `# Deno is one program with its libraries inside, as its authors build it.
${NAME}: embedded-library *
${NAME}: hardening-no-relro *
# It disables units that the administrator has made, of which Debian's helpers know nothing.
${NAME}: maintainer-script-calls-systemctl *
# An administrator may have another ipvlan in /usr/local/bin.
${NAME}: command-with-path-in-maintainer-script *
`;
