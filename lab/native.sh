# The first process in the namespaces of the native engine, run as `sh native.sh RUN`.
# RUN is the folder of this run; RUN/native.conf sets the variables in capitals, lists of them in
# quoted words. Whatever is changed here vanishes with the mount namespace.
set -e
. "$1/native.conf"

# /run and /var/lib are empty ones of our own, but for the folders to keep. They are put together
# on /sys, a folder that any machine has.
mount -t tmpfs -o mode=755 lab /sys
mkdir -p /sys/run /sys/var/lib/ipvlan /sys/etc /sys/work
# The folder of this run lives on inside only: nobody may be left to remove it later.
cp -R "$1" /sys/run/lab
rm -r "$1"
eval "set -- $KEEP"
for folder; do
  mkdir -p "/sys$folder"
  mount --rbind "$folder" "/sys$folder"
done
# /etc can be written, above all /etc/netns, but what is written goes elsewhere.
mount -t overlay -o "lowerdir=/etc,upperdir=/sys/etc,workdir=/sys/work$OVERLAY_OPTIONS" lab /etc
mount --rbind /sys/run /run
mount --rbind /sys/var/lib /var/lib
# `ip netns exec` mounts a sandbox's own file over it; a minimal machine has none.
[ -e /etc/hosts ] || echo '127.0.0.1 localhost' > /etc/hosts
[ ! -e /etc/netns ] || mount -t tmpfs -o mode=755 lab /etc/netns
# Shows the links of this network namespace instead of the machine's.
mount -t sysfs sysfs /sys
ip link set lo up

set +e
# Not exec: process 1 of a namespace is deaf to signals that it does not handle. This shell's own
# word on a command's death by a signal is not the command's.
exec 9>&2 2> /dev/null
(exec 2>&9 9>&- /bin/sh /run/lab/command.sh)
exit $?
