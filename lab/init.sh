# The first process of a guest, User-Mode Linux or QEMU, run by busybox sh as `sh init.sh RUN`.
# RUN is the folder of this run; RUN/init.conf sets the variables in capitals, lists of them in
# quoted words. A process costs milliseconds here, hence a builtin wherever there is one.
RUN=$1
. "$RUN/init.conf"

# The machine's root, read-only, under an overlay in memory: what is written vanishes. /sys is a
# folder that any machine has and where nothing is mounted yet.
eval "set -- $OVERLAY_MODULES"
for module; do "$BUSYBOX" insmod "$module"; done
"$BUSYBOX" mount -t tmpfs -o mode=755 lab /sys
"$BUSYBOX" mkdir /sys/upper /sys/work /sys/root /sys/tmp /sys/run
"$BUSYBOX" mount -t overlay -o lowerdir=/,upperdir=/sys/upper,workdir=/sys/work lab /sys/root || exit
cd /sys/root || exit

# /tmp and /run are empty ones of our own, but for the folders to keep.
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
# The kernel would start this program, which nobody has, for each link made: four times as slow.
[ ! -e proc/sys/kernel/hotplug ] || echo > proc/sys/kernel/hotplug
"$BUSYBOX" mount -t sysfs sysfs sys
"$BUSYBOX" mount -t devtmpfs devtmpfs dev
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
# QEMU's ports have names, which udev would make links of.
for port in /sys/class/virtio-ports/*; do
  name=
  [ ! -e "$port/name" ] || read -r name < "$port/name"
  [ -z "$name" ] || "$BUSYBOX" ln -s "/dev/${port##*/}" "/dev/$name"
done
# `ip netns exec` mounts a sandbox's own file over it; a minimal machine has none.
[ -e /etc/hosts ] || echo '127.0.0.1 localhost' > /etc/hosts
# The state of the machine's own networks is not the lab's.
for folder in /var/lib/ipvlan /etc/netns; do
  [ ! -e $folder ] || "$BUSYBOX" mount -t tmpfs -o mode=755 lab $folder
done

read -r _ _ release _ < /proc/version
"$BUSYBOX" mkdir -p /lib/modules /etc/modprobe.d
"$BUSYBOX" ln -sfn "$MODULES" "/lib/modules/$release"
# Without these, loading the module makes a link.
echo 'options dummy numdummies=0
options bonding max_bonds=0' > /etc/modprobe.d/ipvlan-lab.conf
# The kernel calls this path to load a module that it lacks.
[ -e /sbin/modprobe ] || "$BUSYBOX" ln -s "$BUSYBOX" /sbin/modprobe
eval "set -- $LOAD"
"$BUSYBOX" modprobe -a "$@"
echo lab > /proc/sys/kernel/hostname
# The folder of this run and the cache may be readable for their owner only. Copied, the programs
# that the lab brings are any user's.
"$BUSYBOX" mkdir -p "$PROGRAMS"
"$BUSYBOX" cp -P -R "$RUN/bin" "$RUN/tools" "$BUSYBOX" "$PROGRAMS"
"$BUSYBOX" ip link set lo up

alive() {
  for cat in $cats; do kill -0 "$cat" && return; done
  return 1
}

# Seen with User-Mode Linux 5.10: no program runs that is linked dynamically.
/bin/sh -c : || exit
# From here on, the death of the guest is the command's doing.
: > "$RUN/up"
# For a shell, SIZE tells the size of the terminal, a line "ROWS COLUMNS" for every change.
# A terminal that nobody has open forgets its size.
exec 8<> "$OUT_TTY" 9<> "$ERR_TTY"
if [ "$MODE" = shell ]; then
  "$BUSYBOX" stty -F "$OUT_TTY" rows "$ROWS" cols "$COLUMNS"
  while read -r rows columns; do
    "$BUSYBOX" stty -F "$OUT_TTY" rows "$rows" cols "$columns"
  done < "$SIZE" &
  "$BUSYBOX" setsid -c /bin/sh "$RUN/command.sh" < "$OUT_TTY" > "$OUT_TTY" 2>&1 8<&- 9<&-
  echo $? > "$RUN/status"
else
  "$BUSYBOX" stty -F "$OUT_TTY" raw -echo rows "$ROWS" cols "$COLUMNS"
  "$BUSYBOX" stty -F "$ERR_TTY" raw -echo rows "$ROWS" cols "$COLUMNS"
  # What is no terminal outside is none inside.
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
  # In a subshell, so that the word on a command's death by a signal goes to the log.
  (exec /bin/sh "$RUN/command.sh" < /dev/null > $out 2> $err 8<&- 9<&-)
  echo $? > "$RUN/status"
  # The cats end when nobody can write to them any more: nothing that the command left may stay.
  while alive; do
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
# stty waits until all that was written has gone out.
"$BUSYBOX" stty -F "$OUT_TTY" -echo
[ "$MODE" = shell ] || "$BUSYBOX" stty -F "$ERR_TTY" -echo
echo o > /proc/sysrq-trigger
exec "$BUSYBOX" sleep 60
