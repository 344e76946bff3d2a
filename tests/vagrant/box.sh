# Builds a Vagrant box for the provider libvirt: `sh box.sh KEY BOX < SOURCES`, as root, in a fresh
# mount namespace and an empty working folder. KEY is Vagrant's public insecure key, BOX the file to
# write, SOURCES the lines of apt's sources.list(5).
set -eu
key=$1
box=$2

# The box has the packages of any Debian box. It has no Deno and no radvd, because lab/provision.sh
# installs them. The test has no network, so the box keeps apt's lists, and the package radvd in apt's
# cache.
mmdebstrap --mode=root --variant=minbase --format=directory --quiet \
  --skip=cleanup/apt/lists,cleanup/apt/cache \
  --aptopt='Acquire::Languages "none"' \
  --include=linux-image-cloud-amd64,initramfs-tools,systemd-sysv,dbus,udev,openssh-server,sudo \
  --include=iproute2,iputils-ping,kmod,rsync \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/etc/initramfs-tools"' \
  --essential-hook='echo MODULES=list > "$1/etc/initramfs-tools/conf.d/lab"' \
  --essential-hook='printf "%s\n" virtio_pci virtio_blk ext4 > "$1/etc/initramfs-tools/modules"' \
  --customize-hook='chroot "$1" apt-get clean' \
  --customize-hook='chroot "$1" apt-get install --quiet=2 --download-only radvd' \
  "$(. /etc/os-release; echo "$VERSION_CODENAME")" root -

chroot root useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' > root/etc/sudoers.d/vagrant
chmod 440 root/etc/sudoers.d/vagrant
install -d -m 700 root/home/vagrant/.ssh
install -m 600 "$key" root/home/vagrant/.ssh/authorized_keys
chroot root chown -R vagrant:vagrant /home/vagrant/.ssh
echo 'UseDNS no' > root/etc/ssh/sshd_config.d/lab.conf

echo ipvlan-lab > root/etc/hostname
echo '127.0.0.1 localhost ipvlan-lab' > root/etc/hosts
echo '/dev/vda / ext4 errors=remount-ro 0 1' > root/etc/fstab
cat > root/etc/systemd/network/eth0.network <<'END'
[Match]
Name=eth0
[Network]
DHCP=ipv4
[DHCPv4]
ClientIdentifier=mac
END
ln -sf /usr/lib/systemd/system/systemd-networkd.service \
  root/etc/systemd/system/multi-user.target.wants/systemd-networkd.service
# Disable units that the test does not need. In software emulation each takes seconds.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
  fstrim.timer systemd-networkd-wait-online.service e2scrub_reap.service; do
  ln -sf /dev/null "root/etc/systemd/system/$unit"
done

mkdir -p root/boot/extlinux
cat > root/boot/extlinux/extlinux.conf <<'END'
DEFAULT lab
LABEL lab
  LINUX /vmlinuz
  INITRD /initrd.img
  APPEND root=/dev/vda ro net.ifnames=0 quiet
END
# Turn off the features that extlinux cannot read.
mke2fs -q -t ext4 -O ^64bit,^metadata_csum -d root disk.raw 4G
mkdir disk
mount -o loop disk.raw disk
extlinux --install disk/boot/extlinux > extlinux.log 2>&1 || { cat extlinux.log; exit 1; }
umount disk

qemu-img convert -O qcow2 disk.raw box.img
echo '{"provider":"libvirt","format":"qcow2","virtual_size":4}' > metadata.json
# The settings for software emulation without a network are in the box, so that lab/Vagrantfile has
# none.
cat > Vagrantfile <<'END'
Vagrant.configure("2") do |config|
  config.vm.boot_timeout = 900
  config.vm.provider :libvirt do |libvirt|
    libvirt.driver = "qemu"
    libvirt.cpu_mode = "maximum"
    libvirt.graphics_type = "none"
    libvirt.video_type = "none"
    libvirt.management_network_mode = "none"
  end
end
END
tar -czf "$box" metadata.json Vagrantfile box.img
