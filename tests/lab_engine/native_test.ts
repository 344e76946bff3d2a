// Tests of the native engine, as root and as an ordinary user. They run the lab inside User-Mode
// Linux, because this machine's kernel may have no ipvlan.
import { assertEquals, assertMatch } from "@std/assert";
import { lab, PROJECT, warmUp } from "../kit/lab.ts";

/** Shell functions: `lab` runs the lab, and `state` prints everything that a run must not change. */
const COMMON = `
cd "$PROJECT" || exit
# A command writes into this FIFO when it has begun.
mkfifo -m 666 /tmp/up
lab() { $user deno run -A lab/main.ts "$@"; }
state() {
  ip -br link; ls /run/netns /etc/netns 2>&1; cat /proc/mounts
  # Leave out Deno's cache: it may be under /tmp, and every run may write to it.
  find /tmp /run /var/lib/ipvlan /etc -newer /tmp/begin -type f -not -path '*/deno/*' 2>&1
  left
}
left() { grep -lsE '[u]nshare|[s]leep|[n]ative.sh' /proc/[0-9]*/cmdline; }
touch /tmp/begin
left > /dev/shm/left-before
state > /dev/shm/before
unchanged() { state > /dev/shm/now; diff /dev/shm/before /dev/shm/now && echo "$1: unchanged"; }
`;

const SCRIPT = `
lab -- sh -c '
  id -u; pwd; echo "$IPVLAN_LAB"; ls /sys/class/net /run/netns 2> /dev/null; ls /var/lib
  mkdir -p /etc/netns/n1 /var/lib/ipvlan; touch /etc/netns/n1/hosts /var/lib/ipvlan/x /run/x
  ip link add d0 type dummy && ip link add link d0 name i0 type ipvlan mode l3s &&
    ip link add link d0 name d0.5 type vlan id 5 && ip -br link | wc -l
  ip netns add n1 && ip netns exec n1 sh -c "ip -br link | wc -l; echo 10.0.0.1 h > /etc/hosts" &&
    cat /etc/netns/n1/hosts
  setsid sleep 1000 &
  echo error >&2; exit 7' 2> /dev/shm/err
echo "status $?"
cat /dev/shm/err
unchanged command
for death in 'exit 0' 'kill -KILL $$' 'kill -TERM $$'; do
  lab --engine native -- sh -c "$death" 2> /dev/null
  echo "status $?"
done
for signal in INT TERM HUP KILL; do
  # Do not use the function: then the signal would go to a shell, not to the lab.
  $user deno run -A lab/main.ts -- sh -c 'echo up > /tmp/up; exec sleep 1000' 2> /dev/shm/err &
  read -t 60 -r up <> /tmp/up || cat /dev/shm/err
  kill -$signal $!
  wait $!
  echo "$signal $?"
  # A killed lab does not wait for its children, so we do.
  end=$((SECONDS + 60))
  while left > /dev/shm/left; [ $SECONDS -lt $end ] && ! cmp -s /dev/shm/left*; do :; done
  unchanged $signal
done
`;

const expected = (pwd: string) => [
  ...["0", pwd, "native", "/sys/class/net:", "lo", "4", "1", "10.0.0.1 h", "status 7"],
  "lab: native (Linux RELEASE, in namespaces of its own): the first choice",
  ...["error", "command: unchanged", "status 0", "status 137", "status 143"],
  ...["INT 130", "INT: unchanged", "TERM 143", "TERM: unchanged", "HUP 129", "HUP: unchanged"],
  ...["KILL 137", "KILL: unchanged"],
];

async function check(prepare: string): Promise<void> {
  await warmUp("uml");
  const { code, stdout, stderr } = await lab(
    ["--engine", "uml", "--", "bash", "-c", `${prepare}${COMMON}${SCRIPT}`],
    { env: { DENO_PROJECT: PROJECT } },
  );
  assertEquals(code, 0, stderr);
  const lines = stdout.trimEnd().replace(/Linux \d[^,]*/, "Linux RELEASE").split("\n");
  assertEquals(lines, expected(PROJECT.replace(/\/$/, "")), stderr);
  assertMatch(stderr, /^lab: uml /);
}

Deno.test("native runs as root in fresh namespaces, and does not change the machine", async () => {
  await check("PROJECT=$DENO_PROJECT\nuser=\n");
});

Deno.test("native runs as an ordinary user in fresh namespaces", async () => {
  // Let the ordinary user read the project. The guest's files are a copy, so this is safe.
  await check(`PROJECT=$DENO_PROJECT
    open() { while [ "$1" ]; do chmod o+rx "$1"; set -- "\${1%/*}"; done; }
    deno=$(readlink -f "$(command -v deno)")
    caches=\${XDG_CACHE_HOME:-$HOME/.cache}
    packages=\${DENO_DIR:-$caches/deno}/npm
    export DENO_DIR=/tmp/deno IPVLAN_LAB_CACHE=\${IPVLAN_LAB_CACHE:-$caches/ipvlan-kit}
    for path in "$PROJECT" "$deno" "$packages" "$IPVLAN_LAB_CACHE"; do open "\${path%/}"; done
    mkdir -m 777 /tmp/deno
    ln -s "$packages" /tmp/deno/npm
    export PATH="\${deno%/*}:$PATH" HOME=/nonexistent
    user="setpriv --reuid 65534 --regid 65534 --clear-groups"
    `);
});
