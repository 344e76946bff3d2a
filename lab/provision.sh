# Prepares a Debian machine for the lab: `sh provision.sh` in the machine, as root, with the project
# at /vagrant. It may run any number of times: it installs only what the machine lacks.
set -eu
export DEBIAN_FRONTEND=noninteractive

PROJECT=/vagrant
# The engine `vagrant` sends this folder: Deno, and the packages that the project imports.
CARRIED=$PROJECT/lab/.guest
MODULES="dummy 8021q ipvlan veth bridge"
export DENO_DIR=/var/cache/deno

say() { echo "lab: $*"; }
fail() {
  say "$*" >&2
  exit 1
}

# Installs packages. If that fails, updates the machine's package lists and tries again.
get() {
  say "installing $*"
  set -- -qq -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
  apt-get "$@" > /dev/null 2>&1 && return
  { apt-get -qq update && apt-get "$@"; } > /dev/null ||
    fail "Cannot install the packages; see above, and connect the machine to Debian's archive"
}

# Installs the packages of missing programs. The arguments are pairs: PROGRAM PACKAGE.
need() {
  missing=
  while [ $# -gt 0 ]; do
    command -v "$1" > /dev/null || missing="$missing $2"
    shift 2
  done
  # $missing is a list of words, so it is not quoted.
  # shellcheck disable=SC2086
  [ -z "$missing" ] || get $missing
}

# Loads the modules; prints those that the kernel lacks.
load() {
  for module in $MODULES; do modprobe -q "$module" || echo "$module"; done
}

# Installs the modules of the kernel, or else another kernel, which has them.
get_modules() {
  release=$(uname -r)
  say "the kernel, Linux $release, has no" "$@"
  if apt-cache show "linux-modules-extra-$release" > /dev/null 2>&1; then
    # Ubuntu has the modules in this package.
    get "linux-modules-extra-$release"
    missing=$(load)
    [ -z "$missing" ] || fail "The kernel still has no $missing; choose another box with LAB_BOX"
    return
  fi
  get "linux-image-$(dpkg --print-architecture)"
  # Remove the cloud kernels, because the machine would boot one of them instead of the new kernel.
  # One of them is running now, hence the first line.
  echo 'linux-base linux-base/removing-running-kernel boolean false' | debconf-set-selections
  dpkg-query -W -f '${Package}\n' 'linux-image-*cloud*' 2> /dev/null |
    xargs -r apt-get -qq purge > /dev/null
  say "the new kernel needs a restart: run vagrant reload"
}

get_deno() {
  say "installing Deno with its installer"
  need curl curl unzip unzip
  script=$(mktemp)
  if ! curl -fsSL -o "$script" https://deno.land/install.sh ||
    ! DENO_INSTALL=/usr/local sh "$script" -y > /dev/null; then
    say "the installer cannot be reached: installing Deno from npm"
    need npm npm
    npm install --global --silent deno ||
      fail "Cannot install Deno; connect the machine to deno.land or npm, or put deno on its PATH"
  fi
  rm "$script"
}

need ip iproute2 ping iputils-ping modprobe kmod rsync rsync radvd radvd

mkdir -p /etc/modprobe.d /etc/modules-load.d /etc/profile.d
# Load the modules now, and at every start. Without these options, loading dummy or bonding makes a
# link.
echo 'options dummy numdummies=0
options bonding max_bonds=0' > /etc/modprobe.d/ipvlan-lab.conf
printf '%s\n' $MODULES > /etc/modules-load.d/ipvlan-lab.conf
missing=$(load)
# shellcheck disable=SC2086
[ -z "$missing" ] || get_modules $missing

# The Deno that was sent may be for another kind of machine, so run it.
if "$CARRIED/deno" --version > /dev/null 2>&1; then
  if ! cmp -s "$CARRIED/deno" /usr/local/bin/deno; then
    say "installing the Deno that came with the project"
    install "$CARRIED/deno" /usr/local/bin/deno
  fi
elif ! command -v deno > /dev/null; then
  get_deno
fi

mkdir -p "$DENO_DIR"
[ ! -d "$CARRIED/deno_dir" ] || cp -R "$CARRIED/deno_dir/." "$DENO_DIR"
deno cache --quiet "$PROJECT/scenarios/main.ts" "$PROJECT/cli.ts" ||
  fail "Cannot load what the project imports; connect the machine to npm"
# Root and the user share the cache.
chmod -R a+rwX "$DENO_DIR"
echo "export DENO_DIR=$DENO_DIR" > /etc/profile.d/ipvlan-lab.sh

cat > /usr/local/bin/ipvlan <<END
#!/bin/sh
# To make links, ipvlan needs root.
[ "\$(id -u)" = 0 ] || exec sudo --preserve-env=NO_COLOR,IPVLAN_STATE_DIR "\$0" "\$@"
DENO_DIR=$DENO_DIR exec deno run -A $PROJECT/cli.ts "\$@"
END
chmod 755 /usr/local/bin/ipvlan

cat > /etc/motd <<'END'

The lab of ipvlan-kit. The project is at /vagrant.

  cd /vagrant && deno task lab   every documented example, on this kernel
  ipvlan doctor                  whether ipvlan works here
  ipvlan --help                  what the command can do

END
say "ready: $(deno --version | head -1), Linux $(uname -r)"
