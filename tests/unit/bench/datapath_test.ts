import { assert, assertEquals } from "@std/assert";
import {
  busyTime,
  compared,
  isEmulated,
  kernelMemory,
  percentile,
  roundTrips,
  tcpResult,
  timePer1000,
} from "../../bench/datapath.ts";
import { addressOf, type KindName, KINDS, PEER } from "../../bench/datapath_world.ts";

Deno.test("iperf3's JSON is read for what arrived, and not for what was sent", () => {
  const received = { seconds: 1.25, bytes: 2_500_000_000 };
  const tcp = { end: { sum_sent: { seconds: 1, bytes: 2_600_000_000 }, sum_received: received } };
  assertEquals(tcpResult(JSON.stringify(tcp)), { gigabytes: 2.5, milliseconds: 1250 });
  const udp = { end: { sum: { seconds: 1, packets: 13_000, lost_packets: 3000 } } };
  assertEquals(timePer1000(JSON.stringify(udp)), 100);
});

Deno.test("round trips are read as ping(8) and busybox print them", () => {
  const output = `PING 10.1.0.2 (10.1.0.2) 56(84) bytes of data.
64 bytes from 10.1.0.2: icmp_seq=1 ttl=64 time=0.062 ms
64 bytes from 10.1.0.2: seq=1 ttl=64 time=12.4 ms

2 packets transmitted, 2 received, 0% packet loss, time 1001ms
rtt min/avg/max/mdev = 0.062/6.231/12.400/6.169 ms
`;
  assertEquals(roundTrips(output), [0.062, 12.4]);
});

Deno.test("percentile() is the least value that so many do not exceed", () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  assertEquals([1, 50, 99, 100].map((percent) => percentile(values, percent)), [2, 100, 198, 200]);
  assertEquals([0, 99].map((percent) => percentile([7], percent)), [7, 7]);
});

Deno.test("the busy time is that of programs and the kernel, without idle, waiting and stolen time", () => {
  const stat = "cpu  100 20 3 5000 700 4 5 60 7 8\ncpu0 1 1 1 1 1 1 1 1 1 1\nctxt 5\n";
  assertEquals(busyTime(stat), 1320);
});

Deno.test("the kernel's memory has what it cannot give back, and no pages of processes and files", () => {
  const meminfo = `MemFree:          8000 kB
AnonPages:        5000 kB
Slab:             1500 kB
SReclaimable:      500 kB
SUnreclaim:       1000 kB
VmallocTotal:   999999 kB
VmallocUsed:        30 kB
Percpu:              4 kB
`;
  assertEquals(kernelMemory(meminfo), 1034);
  assertEquals(kernelMemory("SUnreclaim:       1000 kB\n"), 1000);
});

Deno.test("a processor of User-Mode Linux or of QEMU without KVM is emulated", () => {
  assert(isEmulated("processor\t: 0\nvendor_id\t: User Mode Linux\nmodel name\t: UML\n"));
  assert(isEmulated("processor\t: 0\nmodel name\t: QEMU Virtual CPU version 2.5+\n"));
  assert(!isEmulated("processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Processor @ 2.70GHz\n"));
});

Deno.test("each kind but the peer has a figure, whose text fits into the picture", () => {
  const kinds = Object.keys(KINDS) as KindName[];
  const samples = Object.fromEntries(kinds.map((kind, index) => [kind, [index]])) as Record<
    KindName,
    number[]
  >;
  const figures = compared("round trip (median) to a sandbox", samples);
  assertEquals(
    figures.map(({ ours, theirs }) => [ours, theirs]),
    [0, 1, 2, 3, 4].map((index) => [
      [index],
      [5],
    ]),
  );
  assert(figures.every(({ peer, unit }) => peer === PEER && unit === undefined));
  assert(figures.every(({ work }) => work.length <= 54));
  assertEquals(compared("memory", samples, "kB").map(({ unit }) => unit), Array(5).fill("kB"));
});

Deno.test("500 links of a kind have 500 addresses, those of routed kinds outside the LAN's subnet", () => {
  const addresses = Array.from({ length: 500 }, (_, index) => addressOf("ipvlan L3", index + 1));
  assertEquals(new Set(addresses).size, 500);
  assertEquals(addresses.at(-1), "10.2.1.244");
  assertEquals(addressOf("ipvlan L2", 1), "10.1.0.1");
});
