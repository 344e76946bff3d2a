/**
 * Checks the guide's examples of two hosts on two kernels, over the wire between the machines of
 * `LAB_HOSTS=2`: "Multiple Ipvlan Hosts", 802.1q VLANs on a trunk, and the remote host of L3 mode.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseReply, wasTried } from "../../lib/check/reach.ts";
import { type StatementId, STATEMENTS } from "../../scenarios/kit/report/statements.ts";
import type { Checks } from "./checks.ts";
import type { Machine } from "./machine.ts";

/** The sender of a ping: a sandbox of a machine, or the machine itself. */
interface Sender {
  machine: Machine;
  sandbox?: string;
}

/** Pings until the first answer, at most for a number of seconds. */
async function ping({ machine, sandbox }: Sender, address: string, seconds: number) {
  const from = sandbox === undefined ? "" : `ip netns exec ${sandbox} `;
  const { stdout, stderr } = await machine.try(
    `${from}ping -n -c 1 -i 0.2 -w ${seconds} ${address}`,
  );
  const reply = stdout.split("\n").map(parseReply).find((each) => each?.from === address);
  return { reply, tried: wasTried(stdout + stderr), output: `${stdout}${stderr}`.trim() };
}

const nameOf = ({ machine, sandbox }: Sender) => sandbox ?? machine.name;

async function reaches(from: Sender, address: string): Promise<void> {
  const { reply, output } = await ping(from, address, 20);
  assert(reply, `${nameOf(from)} does not reach ${address}: ${output}`);
}

/** Asserts that the sender gets no answer, though the control gets one before and after. */
async function doesNotReach(from: Sender, address: string, control: Sender): Promise<void> {
  await reaches(control, address);
  const { reply, tried, output } = await ping(from, address, 3);
  assert(tried, `${nameOf(from)} could not send: ${output}`);
  assert(!reply, `${nameOf(from)} reaches ${address}: ${output}`);
  await reaches(control, address);
}

/** Checks all examples, and removes their networks and sandboxes. */
export async function checkTwoKernels(
  checks: Checks,
  host1: Machine,
  host2: Machine,
): Promise<void> {
  const statement = (id: StatementId, check: () => Promise<void>) =>
    checks.that(`${id} over the wire: ${STATEMENTS[id]}`, check);
  const wired = await checks.that("a wire connects eth1 of two kernels", async () => {
    const boots = await Promise.all(
      [host1, host2].map((host) => host.sh("cat /proc/sys/kernel/random/boot_id")),
    );
    assert(boots[0] !== boots[1]);
    await host1.sh("ip link set eth1 up; ip addr add 192.168.1.250/24 dev eth1");
    await host2.sh("ip link set eth1 up; ip addr add 192.168.1.251/24 dev eth1");
    await reaches({ machine: host1 }, "192.168.1.251");
  });
  if (!wired) return;
  await checkMultipleHosts(statement, host1, host2);
  await checkTrunk(statement, host1, host2);
  await checkRemoteL3(statement, host1, host2);
  await checks.that("the examples leave nothing on either kernel", async () => {
    for (const host of [host1, host2]) {
      await host.sh("ipvlan rm -f $(ipvlan ps -q); ipvlan network prune -f");
      assertEquals(await host.sh("ip -o link show type ipvlan; ip netns"), "");
      assertEquals(await host.sh("ls /sys/class/net"), "eth0\neth1\nlo");
    }
  });
}

type Statement = (id: StatementId, check: () => Promise<void>) => Promise<boolean>;

/** The figure "Multiple Ipvlan Hosts": one subnet in L2 mode, with an ip-range for each host. */
async function checkMultipleHosts(statement: Statement, host1: Machine, host2: Machine) {
  const [a1, a2] = ["a1", "a2"].map((sandbox) => ({ machine: host1, sandbox })) as [Sender, Sender];
  const [b1, b2] = ["b1", "b2"].map((sandbox) => ({ machine: host2, sandbox })) as [Sender, Sender];
  const create = (range: string) =>
    `ipvlan network create -d ipvlan --subnet=192.168.1.0/24 --ip-range=${range} ` +
    "-o parent=eth1 db_net";
  await statement("L2-7", async () => {
    await host1.sh(
      `${create("192.168.1.32/27")}
      ipvlan run -d --net db_net --name a1; ipvlan run -d --net db_net --name a2`,
    );
    await host2.sh(
      `${create("192.168.1.64/27")}
      ipvlan run -d --net db_net --name b1; ipvlan run -d --net db_net --name b2`,
    );
    await reaches(a1, "192.168.1.64");
    await reaches(a2, "192.168.1.65");
    await reaches(b1, "192.168.1.32");
    await reaches(b2, "192.168.1.33");
    // For the containers of one host, the other host is a machine on the LAN.
    await reaches(a1, "192.168.1.251");
    await reaches({ machine: host2 }, "192.168.1.33");
  });
  await statement("L2-2", async () => {
    await doesNotReach({ machine: host1 }, "192.168.1.32", { machine: host2 });
    await doesNotReach(a1, "192.168.1.250", b1);
  });
  await statement("L2-8", async () => {
    const mac = await host1.sh("cat /sys/class/net/eth1/address");
    for (const address of ["192.168.1.32", "192.168.1.33"]) {
      await reaches(b1, address);
      assertMatch(
        await host2.sh(`ip -n b1 neigh show ${address}`),
        new RegExp(`lladdr ${mac} `),
      );
    }
    assert(mac !== await host2.sh("cat /sys/class/net/eth1/address"));
  });
}

/** VLANs 20 and 30 on the wire. Both have the same subnet, so that only the tag separates them. */
async function checkTrunk(statement: Statement, host1: Machine, host2: Machine) {
  const create = (id: number) =>
    `ipvlan network create -d ipvlan --subnet=192.168.20.0/24 -o parent=eth1.${id} vlan${id}`;
  const c20 = { machine: host1, sandbox: "c20" };
  const c30 = { machine: host2, sandbox: "c30" };
  const byHand = (id: number, address: string) =>
    `ip link add link eth1 name eth1.${id} type vlan id ${id}
    ip addr add ${address}/24 dev eth1.${id}; ip link set eth1.${id} up`;
  await statement("VLAN-3", async () => {
    await host1.sh(`${create(20)}; ipvlan run -d --net vlan20 --ip 192.168.20.20 --name c20`);
    await host2.sh(`${create(30)}; ipvlan run -d --net vlan30 --ip 192.168.20.30 --name c30`);
    await host1.sh(byHand(30, "192.168.20.130"));
    await host2.sh(byHand(20, "192.168.20.120"));
    await reaches(c20, "192.168.20.120");
    await reaches(c30, "192.168.20.130");
    await doesNotReach(c20, "192.168.20.30", { machine: host1 });
    await doesNotReach(c30, "192.168.20.20", { machine: host2 });
  });
  await statement("VLAN-2", async () => {
    // A sub-interface on the other kernel receives only frames with its own tag.
    const count = async (link: string) =>
      Number(await host2.sh(`cat /sys/class/net/${link}/statistics/rx_packets`));
    const before = { tagged: await count("eth1.20"), other: await count("eth1.30") };
    await host1.sh("ip netns exec c20 ping -n -q -c 20 -i 0.2 -w 30 192.168.20.120");
    assert(await count("eth1.20") >= before.tagged + 20);
    assertEquals(await count("eth1.30"), before.other);
  });
  await statement("VLAN-6", async () => {
    await host1.sh("ipvlan rm -f c20; ipvlan network rm vlan20");
    await host2.sh("ipvlan rm -f c30; ipvlan network rm vlan30");
    // The sub-interfaces that were made by hand stay.
    assertEquals(await host1.sh("ls /sys/class/net"), "eth0\neth1\neth1.30\nlo");
    assertEquals(await host2.sh("ls /sys/class/net"), "eth0\neth1\neth1.20\nlo");
    await host1.sh("ip link del eth1.30");
    await host2.sh("ip link del eth1.20");
  });
}

/** The figure "Docker Ipvlan L3 Mode": the second host is the remote host. */
async function checkRemoteL3(statement: Statement, host1: Machine, host2: Machine) {
  const c1 = { machine: host1, sandbox: "c1" };
  const remote = { machine: host2 };
  await statement("L3-8", async () => {
    await host1.sh(
      `ipvlan rm -f a1 a2; ipvlan network rm db_net
      ipvlan network create -d ipvlan --subnet=192.168.214.0/24 -o ipvlan_mode=l3 -o parent=eth1 \
        ipnet210
      ipvlan run -d --net ipnet210 --ip 192.168.214.10 --name c1
      ipvlan run -d --net ipnet210 --ip 192.168.214.9 --name c2`,
    );
    await doesNotReach(remote, "192.168.214.10", { machine: host1, sandbox: "c2" });
    await doesNotReach(c1, "192.168.1.251", { machine: host1 });
    await host2.sh("ip route add 192.168.214.0/24 via 192.168.1.250");
    await reaches(remote, "192.168.214.10");
    await reaches(c1, "192.168.1.251");
    // A container of the remote host needs the route, too.
    await doesNotReach({ ...remote, sandbox: "b1" }, "192.168.214.10", remote);
    await host2.sh("ip -n b1 route add 192.168.214.0/24 via 192.168.1.250");
    await reaches({ ...remote, sandbox: "b1" }, "192.168.214.10");
    await host2.sh("ip route del 192.168.214.0/24");
  });
}
