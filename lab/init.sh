# The first process of the User-Mode Linux guest; run by busybox sh as `sh init.sh RUN`.
# RUN is the folder of this run; RUN/job.sh sets the variables in capitals. Every process started
# costs tens of milliseconds here, hence a builtin wherever there is one.
RUN=$1
. "$RUN/job.sh"

# The machine's root, read-only, under an overlay in memory: what is written vanishes. /sys is a
# folder that any machine has and where nothing is mounted yet.
eval "set -- $OVERLAY_MODULES"
for module; do "$BUSYBOX" insmod "$module"; done
"$BUSYBOX" mount -t tmpfs -o mode=755 lab /sys
"$BUSYBOX" mkdir /sys/upper /sys/work /sys/root /sys/tmp /sys/run
"$BUSYBOX" mount -t overlay -o lowerdir=/,upperdir=/sys/upper,workdir=/sys/work lab /sys/root
cd /sys/root || exit

# /tmp and /run are empty ones of our own, but for the folders in KEEP.
"$BUSYBOX" mount -t tmpfs -o mode=1777 lab /sys/tmp
"$BUSYBOX" mount -t tmpfs -o mode=755 lab /sys/run
eval "set -- $KEEP"
for folder; do
  "$BUSYBOX" mkdir -p "/sys$folder"
  "$BUSYBOX" mount --bind "/sys/root$folder" "/sys$folder"
done
"$BUSYBOX" mount --move /sys/tmp tmp
"$BUSYBOX" mount --move /sys/run run

"$BUSYBOX" mount -t proc proc proc
"$BUSYBOX" mount -t sysfs sysfs sys
"$BUSYBOX" mount -t devtmpfs devtmpfs dev
"$BUSYBOX" mkdir -p dev/pts dev/shm run/old
"$BUSYBOX" mount -t devpts -o mode=620,ptmxmode=666 devpts dev/pts
"$BUSYBOX" mount -t tmpfs -o mode=1777 lab dev/shm
# Not chroot: a process in a chroot may not make user namespaces.
"$BUSYBOX" pivot_root . run/old
cd /
"$BUSYBOX" umount -l /run/old

eval "set -- $SHARE"
for folder; do
  "$BUSYBOX" mkdir -p "$folder"
  "$BUSYBOX" mount -t hostfs -o "$folder" lab "$folder"
done
# State of the machine's own networks is not the lab's.
for folder in /var/lib/ipvlan /etc/netns; do
  [ ! -e $folder ] || "$BUSYBOX" mount -t tmpfs -o mode=755 lab $folder
done

read -r _ _ release _ < /proc/version
"$BUSYBOX" mkdir -p /lib/modules
"$BUSYBOX" ln -sfn "$MODULES" "/lib/modules/$release"
# The kernel itself calls this path to load a module.
[ -e /sbin/modprobe ] || "$BUSYBOX" ln -s "$BUSYBOX" /sbin/modprobe
"$BUSYBOX" modprobe -a $LOAD
echo lab > /proc/sys/kernel/hostname
"$BUSYBOX" ip link set lo up

"$BUSYBOX" stty -F /dev/tty0 raw -echo
"$BUSYBOX" stty -F /dev/tty1 raw -echo
/bin/sh "$RUN/command.sh" < /dev/null > /dev/tty0 2> /dev/tty1
echo $? > "$RUN/status"
# stty waits until what was written has gone out.
"$BUSYBOX" stty -F /dev/tty0 raw
"$BUSYBOX" stty -F /dev/tty1 raw
echo o > /proc/sysrq-trigger
exec "$BUSYBOX" sleep 60
