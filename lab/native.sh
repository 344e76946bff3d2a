# The first process in the namespaces of the native engine: `sh native.sh RUN`.
# RUN is the folder of this run. RUN/native.conf sets the variables in capitals; a list is a string
# of quoted words. All changes disappear with the mount namespace.
set -e
. "$1/native.conf"

# /run and /var/lib are new and empty, except for the folders to keep. We build them on /sys, a
# folder that every machine has.
mount -t tmpfs -o mode=755 lab /sys
mkdir -p /sys/run /sys/var/lib /sys/etc /sys/work
# Move the folder of this run inside. If the lab is killed, it could not remove the folder outside.
cp -R "$1" /sys/run/lab
rm -r "$1"
eval "set -- $KEEP"
for folder; do
  mkdir -p "/sys$folder"
  mount --rbind "$folder" "/sys$folder"
done
# /etc is writable, above all for /etc/netns, but the writes stay in memory.
mount -t overlay -o "lowerdir=/etc,upperdir=/sys/etc,workdir=/sys/work$OVERLAY_OPTIONS" lab /etc
# Deno has this path for itself, too: npx may have put it where no unit is written for.
deno=$(readlink -f /sys/run/lab/bin/deno)
rm /sys/run/lab/bin/deno
: > /sys/run/lab/bin/deno
mount --bind "$deno" /sys/run/lab/bin/deno
mount --rbind /sys/run /run
mount --rbind /sys/var/lib /var/lib
# `ip netns exec` mounts a sandbox's own file over /etc/hosts, so it must exist. A minimal machine
# has none.
[ -e /etc/hosts ] || echo '127.0.0.1 localhost' > /etc/hosts
[ ! -e /etc/netns ] || mount -t tmpfs -o mode=755 lab /etc/netns
# A new /sys shows the links of this network namespace, not the machine's.
mount -t sysfs sysfs /sys
ip link set lo up

set +e
# The command must not be process 1 of the namespace, which ignores signals without a handler. So we
# start it in a subshell and not by exec. Our own standard error is /dev/null, so that the shell's
# message about a signal that killed the command is not mixed with the command's output.
exec 9>&2 2> /dev/null
(exec 2>&9 9>&- /bin/sh /run/lab/command.sh)
exit $?
