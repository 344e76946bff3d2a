# Makes programs that the lab has fetched look installed. init.sh runs this in its own shell, in the
# guest, where all changes are in memory. RUN/packages.conf sets the variables in capitals.
. "$RUN/packages.conf"

# These have empty folders, instead of the machine's data and settings. They are not on the overlay,
# because Docker, containerd and Podman store layers there, and overlays do not nest.
eval "set -- $FOLDERS"
for folder; do
  "$BUSYBOX" mkdir -p "$folder"
  "$BUSYBOX" mount -t tmpfs -o mode=755 lab "$folder"
done

# link HOW FOLDER PACKAGE…: makes links to the files of packages in /FOLDER. HOW is f (replace) or n
# (add what is missing). Links take a tenth of the time of copies. We name /bin/cp, because the cp of
# busybox adds nothing to a folder that exists.
link() {
  local how=$1 inner=$2 package
  shift 2
  for package; do
    shift
    [ ! -e "$package/$inner" ] || set -- "$@" "$package/$inner/."
  done
  [ $# != 0 ] || return 0
  "$BUSYBOX" mkdir -p "/$inner"
  /bin/cp "-rs$how" "$@" "/$inner/"
}

# link_all HOW PACKAGE…
link_all() {
  local how=$1 inner package shared
  shift
  for inner in bin sbin lib usr/bin usr/sbin usr/lib usr/libexec; do link "$how" "$inner" "$@"; done
  for package; do
    for shared in "$package"/usr/share/*; do
      case ${shared##*/} in
        doc | man | lintian | locale | '*') ;;
        *) link "$how" "usr/share/${shared##*/}" "$package" ;;
      esac
    done
    [ ! -e "$package/etc" ] || /bin/cp -rn "$package/etc/." /etc/
  done
}

# The C library first. A program that starts between the renames would find files of two versions, so
# one program makes them all.
if [ -n "$LIBC" ]; then
  libraries=/usr/lib/x86_64-linux-gnu
  "$BUSYBOX" mkdir $libraries/lab
  "$BUSYBOX" cp -a "$LIBC$libraries"/*.so* $libraries/lab/
  "$BUSYBOX" mv -f $libraries/lab/* $libraries/
fi
eval "set -- $ADD"
link_all n "$@"
eval "set -- $REPLACE"
link_all f "$@"
# A program of /usr/local would come first on PATH.
for package; do
  for program in "$package"/usr/bin/* "$package"/usr/sbin/* "$package"/bin/* "$package"/sbin/*; do
    for folder in /usr/local/bin /usr/local/sbin; do
      [ ! -e "$folder/${program##*/}" ] || "$BUSYBOX" rm -f "$folder/${program##*/}"
    done
  done
done

eval "set -- $LINKS"
while [ $# != 0 ]; do
  "$BUSYBOX" mkdir -p "${1%/*}"
  "$BUSYBOX" ln -sfn "$2" "$1"
  shift 2
done
eval "set -- $FILES"
while [ $# != 0 ]; do
  "$BUSYBOX" mkdir -p "${1%/*}"
  printf %s "$2" > "$1"
  shift 2
done
# A user of each daemon owns the daemon's settings and its folder in /run.
eval "set -- $USERS"
id=61000
while [ $# != 0 ]; do
  if ! "$BUSYBOX" grep -q "^$1:" /etc/passwd; then
    echo "$1:x:$id:$id::/nonexistent:/usr/sbin/nologin" >> /etc/passwd
    echo "$1:x:$id:" >> /etc/group
    [ -z "$2" ] || echo "$2:x:$((id + 1)):$1" >> /etc/group
  fi
  "$BUSYBOX" mkdir -p "/run/$1"
  "$BUSYBOX" chown -R "$1:$1" "/run/$1" "/etc/$1"
  id=$((id + 2))
  shift 2
done

# The control groups, with all controllers that the kernel has.
"$BUSYBOX" mount -t cgroup2 cgroup2 /sys/fs/cgroup
read -r controllers < /sys/fs/cgroup/cgroup.controllers
for controller in $controllers; do echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control; done
# Engines hand their mounts on to containers.
"$BUSYBOX" mount --make-rshared /
