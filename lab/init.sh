# The first process of a guest, in User-Mode Linux or QEMU. busybox sh runs it as `sh init.sh RUN`.
# RUN is the folder of this run. RUN/init.conf sets the variables in capitals; a list is a string of
# quoted words. Starting a process takes milliseconds here, so we prefer builtins.
RUN=$1
. "$RUN/init.conf"

# The machine's root is read-only. An overlay in memory takes all writes, which disappear with the
# guest. We build the new root on /sys: every machine has this folder, and nothing is mounted on it
# yet.
eval "set -- $OVERLAY_MODULES"
for module; do "$BUSYBOX" insmod "$module"; done
"$BUSYBOX" mount -t tmpfs -o mode=755 lab /sys
"$BUSYBOX" mkdir /sys/upper /sys/work /sys/root /sys/tmp /sys/run
"$BUSYBOX" mount -t overlay -o lowerdir=/,upperdir=/sys/upper,workdir=/sys/work lab /sys/root || exit
cd /sys/root || exit

# /tmp and /run are new and empty, except for the folders to keep, and the files in /tmp.
"$BUSYBOX" mount -t tmpfs -o mode=1777 lab /sys/tmp
"$BUSYBOX" mount -t tmpfs -o mode=755 lab /sys/run
eval "set -- $KEEP"
for path; do
  if [ -d "/sys/root$path" ]; then
    "$BUSYBOX" mkdir -p "/sys$path"
  else
    : > "/sys$path"
  fi
  "$BUSYBOX" mount --bind "/sys/root$path" "/sys$path"
done
"$BUSYBOX" mount --move /sys/tmp tmp
"$BUSYBOX" mount --move /sys/run run

"$BUSYBOX" mount -t proc proc proc
# For each new link the kernel would try to start this program, which does not exist. That takes four
# times as long.
[ ! -e proc/sys/kernel/hotplug ] || echo > proc/sys/kernel/hotplug
"$BUSYBOX" mount -t sysfs sysfs sys
"$BUSYBOX" mount -t devtmpfs devtmpfs dev
# The links that udev or systemd would make: /dev/fd of proc(5).
"$BUSYBOX" ln -s /proc/self/fd dev/fd
fd=0
for stream in stdin stdout stderr; do
  "$BUSYBOX" ln -s "fd/$fd" "dev/$stream"
  fd=$((fd + 1))
done
"$BUSYBOX" mkdir -p dev/pts dev/shm run/old
"$BUSYBOX" mount -t devpts -o mode=620,ptmxmode=666 devpts dev/pts
"$BUSYBOX" mount -t tmpfs -o mode=1777 lab dev/shm
# Not chroot: a process in a chroot may not make user namespaces.
"$BUSYBOX" pivot_root . run/old
cd /
"$BUSYBOX" umount -l /run/old
"$BUSYBOX" rmdir /run/old

eval "set -- $SHARE"
share=0
for folder; do
  "$BUSYBOX" mkdir -p "$folder"
  case $SHARE_TYPE in
    hostfs) "$BUSYBOX" mount -t hostfs -o "$folder" hostfs "$folder" ;;
    9p)
      "$BUSYBOX" mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 "share$share" "$folder"
      ;;
  esac
  share=$((share + 1))
done
# QEMU's ports have names. We make the symbolic links that udev would make.
for port in /sys/class/virtio-ports/*; do
  name=
  [ ! -e "$port/name" ] || read -r name < "$port/name"
  [ -z "$name" ] || "$BUSYBOX" ln -s "/dev/${port##*/}" "/dev/$name"
done
# `ip netns exec` mounts a sandbox's own file over /etc/hosts, so it must exist. A minimal machine
# has none.
[ -e /etc/hosts ] || echo '127.0.0.1 localhost' > /etc/hosts
# Hide the state of the machine's own networks. The modes are those that ipvlan and ip use.
[ ! -e /var/lib/ipvlan ] || "$BUSYBOX" mount -t tmpfs -o mode=700 lab /var/lib/ipvlan
[ ! -e /etc/netns ] || "$BUSYBOX" mount -t tmpfs -o mode=755 lab /etc/netns

read -r _ _ release _ < /proc/version
"$BUSYBOX" mkdir -p /lib/modules /etc/modprobe.d
"$BUSYBOX" ln -sfn "$MODULES" "/lib/modules/$release"
# Without these options, loading the modules makes links.
echo 'options dummy numdummies=0
options bonding max_bonds=0' > /etc/modprobe.d/ipvlan-lab.conf
# The kernel calls this path to load a module that it lacks.
[ -e /sbin/modprobe ] || "$BUSYBOX" ln -s "$BUSYBOX" /sbin/modprobe
eval "set -- $LOAD"
"$BUSYBOX" modprobe -a "$@"
echo lab > /proc/sys/kernel/hostname
# The kernel numbers the links of the wires. We find them by their MAC addresses.
eval "set -- $WIRES"
while [ $# != 0 ]; do
  for link in /sys/class/net/*; do
    read -r mac < "$link/address"
    [ "$mac" != "$2" ] || "$BUSYBOX" ip link set "${link##*/}" name "$1"
  done
  shift 2
done
# Copy the programs that the lab brings, so that any user of the guest can run them. Only the owner
# may be able to read the folder of this run and the cache.
"$BUSYBOX" mkdir -p "$PROGRAMS"
"$BUSYBOX" cp -P -R "$RUN/bin" "$RUN/tools" "$BUSYBOX" "$PROGRAMS"
# Deno has this path for itself, too: npx may have put it where no unit is written for.
deno=$("$BUSYBOX" readlink -f "$PROGRAMS/bin/deno")
"$BUSYBOX" rm "$PROGRAMS/bin/deno"
: > "$PROGRAMS/bin/deno"
"$BUSYBOX" mount --bind "$deno" "$PROGRAMS/bin/deno"
"$BUSYBOX" ip link set lo up
[ ! -e "$RUN/packages.sh" ] || . "$RUN/packages.sh"

has_cats() {
  for cat in $cats; do kill -0 "$cat" && return; done
  return 1
}

# Seen with User-Mode Linux 5.10: dynamically linked programs do not run.
/bin/sh -c : || exit
# This file tells the lab that the guest has started. From here on, the command may be the reason
# why the guest dies.
: > "$RUN/up"
# Keep both terminals open: a terminal that no process has open forgets its size.
exec 8<> "$OUT_TTY" 9<> "$ERR_TTY"
if [ "$MODE" = shell ]; then
  "$BUSYBOX" stty -F "$OUT_TTY" rows "$ROWS" cols "$COLUMNS"
  # SIZE sends a line "ROWS COLUMNS" whenever the size of the terminal changes.
  while read -r rows columns; do
    "$BUSYBOX" stty -F "$OUT_TTY" rows "$rows" cols "$columns"
  done < "$SIZE" &
  "$BUSYBOX" setsid -c /bin/sh "$RUN/command.sh" < "$OUT_TTY" > "$OUT_TTY" 2>&1 8<&- 9<&-
  echo $? > "$RUN/status"
else
  "$BUSYBOX" stty -F "$OUT_TTY" raw -echo rows "$ROWS" cols "$COLUMNS"
  "$BUSYBOX" stty -F "$ERR_TTY" raw -echo rows "$ROWS" cols "$COLUMNS"
  # If a stream is not a terminal outside, give the command a FIFO, so that it is not one inside.
  out=$OUT_TTY err=$ERR_TTY cats=
  if [ "$OUT" = pipe ]; then
    out=/run/lab.out
    "$BUSYBOX" mkfifo $out
    "$BUSYBOX" cat < $out > "$OUT_PIPE" &
    cats="$cats $!"
  fi
  if [ "$ERR" = pipe ]; then
    err=/run/lab.err
    "$BUSYBOX" mkfifo $err
    "$BUSYBOX" cat < $err > "$ERR_PIPE" &
    cats="$cats $!"
  fi
  # In a subshell, so that the shell's message about a signal that killed the command goes to the log.
  (exec /bin/sh "$RUN/command.sh" < /dev/null > $out 2> $err 8<&- 9<&-)
  echo $? > "$RUN/status"
  # Kill all processes that the command left. The cats then reach the end of their input and stop.
  while has_cats; do
    for process in /proc/[0-9]*; do
      process=${process#/proc/}
      case " 1 $cats " in
        *" $process "*) ;;
        *) kill -KILL "$process" ;;
      esac
    done
    "$BUSYBOX" usleep 20000
  done 2> /dev/null
fi
# stty waits until the terminal has sent all output.
"$BUSYBOX" stty -F "$OUT_TTY" -echo
[ "$MODE" = shell ] || "$BUSYBOX" stty -F "$ERR_TTY" -echo
echo o > /proc/sysrq-trigger
exec "$BUSYBOX" sleep 60
