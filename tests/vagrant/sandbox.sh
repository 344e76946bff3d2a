# Runs a command with private folders of libvirt and Vagrant: `sh sandbox.sh STATE PROJECT COMMAND…`,
# as root, in new namespaces. STATE is an empty folder, which takes all writes. The mounts disappear
# with the namespace.
set -eu
state=$1
project=$2
shift 2
mount --make-rprivate /
# A new /sys shows the links of this network namespace.
mount -t sysfs sysfs /sys
ip link set lo up
mount -t tmpfs -o mode=755 tmpfs /run

for folder in /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
  mkdir -p "$state$folder"
  cp -a "$folder/." "$state$folder"
  mount --bind "$state$folder" "$folder"
done
# Remove the user's machines, networks and pools from the copies.
rm -rf /etc/libvirt/qemu/* /etc/libvirt/storage/* /var/lib/libvirt/images/*
# Run QEMU as root: another user could not open /dev/kvm, and libvirt would then ask QEMU about KVM
# again at every step, for half a minute. Use no control groups: there are none here.
cat > /etc/libvirt/qemu.conf <<'END'
user = "root"
group = "root"
cgroup_controllers = [ ]
namespaces = [ ]
END

# Put an overlay over the checkout, which takes all writes, and remove Vagrant's files from it.
mkdir -p "$state/upper" "$state/work"
mount -t overlay -o "lowerdir=$project,upperdir=$state/upper,workdir=$state/work" lab "$project"
cd "$project"
rm -rf lab/.vagrant lab/.guest

mkdir -p "$state/home" "$state/tmp"
export HOME="$state/home" TMPDIR="$state/tmp"
# Not exec: this shell is process 1 here, and reaps orphaned processes. Otherwise libvirt thinks that
# a QEMU which has ended still runs, and waits half a minute for it, again and again.
"$@"
exit $?
