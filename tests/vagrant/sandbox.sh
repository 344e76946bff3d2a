# Gives the test folders of its own where libvirt and Vagrant keep theirs, run in new namespaces as
# `sh sandbox.sh STATE PROJECT COMMAND…`: as root. STATE is an empty folder for all that is written.
# The mounts go with the namespace.
set -eu
state=$1
project=$2
shift 2
mount --make-rprivate /
# Shows the links of this network namespace.
mount -t sysfs sysfs /sys
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run

for folder in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
  mkdir -p "$state$folder"
  cp -a "$folder/." "$state$folder"
  mount --bind "$state$folder" "$folder"
done
# Machines, networks and pools of the user's.
rm -rf /etc/libvirt/qemu/* /etc/libvirt/storage/* /var/lib/libvirt/images/*
# As another user QEMU could not open /dev/kvm where there is one, and libvirt would ask it again at
# every step, for half a minute. And there is no control group to put a machine in.
cat > /etc/libvirt/qemu.conf <<'END'
user = "root"
group = "root"
cgroup_controllers = [ ]
namespaces = [ ]
END

# The checkout as git has it, and all that is written there, elsewhere.
mkdir -p "$state/upper" "$state/work"
mount -t overlay -o "lowerdir=$project,upperdir=$state/upper,workdir=$state/work" lab "$project"
cd "$project"
rm -rf lab/.vagrant lab/.guest

mkdir -p "$state/home" "$state/tmp"
export HOME="$state/home" TMPDIR="$state/tmp"
# Not exec: this shell is the first process here, and reaps what others leave. libvirt takes a QEMU
# that nobody reaps for one that still runs, and waits half a minute for it, again and again.
"$@"
exit $?
