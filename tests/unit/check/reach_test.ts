import { assertEquals } from "@std/assert";
import { parseReply, wasTried } from "../../../lib/check/reach.ts";

/** What iputils' ping (20221126) and busybox's (1.35) printed in the lab. */
const IPUTILS = {
  answered: `PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.074 ms
64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=0.099 ms

--- 10.0.0.2 ping statistics ---
2 packets transmitted, 2 received, 0% packet loss, time 210ms
rtt min/avg/max/mdev = 0.074/0.086/0.099/0.012 ms`,
  v6: `PING fd00::2(fd00::2) 56 data bytes
64 bytes from fd00::2: icmp_seq=1 ttl=64 time=0.067 ms

--- fd00::2 ping statistics ---
2 packets transmitted, 2 received, 0% packet loss, time 213ms`,
  noNeighbour: `PING 10.0.0.9 (10.0.0.9) 56(84) bytes of data.
From 10.0.0.1 icmp_seq=1 Destination Host Unreachable
From 10.0.0.1 icmp_seq=2 Destination Host Unreachable
From 10.0.0.1 icmp_seq=3 Destination Host Unreachable

--- 10.0.0.9 ping statistics ---
3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 416ms
pipe 3`,
  dropped: `PING 224.0.0.1 (224.0.0.1) from 10.3.0.2 eth0: 56(84) bytes of data.

--- 224.0.0.1 ping statistics ---
0 packets transmitted, 0 received`,
  noRoute: "ping: connect: Network is unreachable",
  noName: "ping: nobody: Temporary failure in name resolution",
};

const BUSYBOX = {
  answered: `PING 10.0.0.2 (10.0.0.2): 56 data bytes
64 bytes from 10.0.0.2: seq=0 ttl=64 time=0.613 ms
64 bytes from 10.0.0.2: seq=1 ttl=64 time=0.279 ms

--- 10.0.0.2 ping statistics ---
2 packets transmitted, 2 packets received, 0% packet loss
round-trip min/avg/max = 0.279/0.446/0.613 ms`,
  v6: `PING fd00::2 (fd00::2): 56 data bytes
64 bytes from fd00::2: seq=0 ttl=64 time=0.390 ms

--- fd00::2 ping statistics ---
2 packets transmitted, 2 packets received, 0% packet loss`,
  noNeighbour: `PING 10.0.0.9 (10.0.0.9): 56 data bytes

--- 10.0.0.9 ping statistics ---
2 packets transmitted, 0 packets received, 100% packet loss`,
  noRoute: `PING 10.1.0.9 (10.1.0.9): 56 data bytes
ping: sendto: Network is unreachable`,
  noName: "ping: bad address 'nobody'",
};

const replies = (output: string) => output.split("\n").map(parseReply).filter(Boolean);

Deno.test("parseReply reads the answers of both pings", () => {
  assertEquals(replies(IPUTILS.answered), [
    { from: "10.0.0.2", milliseconds: 0.074 },
    { from: "10.0.0.2", milliseconds: 0.099 },
  ]);
  assertEquals(replies(BUSYBOX.answered), [
    { from: "10.0.0.2", milliseconds: 0.613 },
    { from: "10.0.0.2", milliseconds: 0.279 },
  ]);
  assertEquals(replies(IPUTILS.v6), [{ from: "fd00::2", milliseconds: 0.067 }]);
  assertEquals(replies(BUSYBOX.v6), [{ from: "fd00::2", milliseconds: 0.39 }]);
});

Deno.test("parseReply takes no error for an answer", () => {
  for (const ping of [IPUTILS, BUSYBOX]) {
    assertEquals(replies(ping.noNeighbour), []);
    assertEquals(replies(ping.noRoute), []);
    assertEquals(replies(ping.noName), []);
  }
});

Deno.test("wasTried tells a target that is silent or has no route from one that was never asked", () => {
  for (const ping of [IPUTILS, BUSYBOX]) {
    assertEquals(wasTried(ping.answered), true);
    assertEquals(wasTried(ping.noNeighbour), true);
    assertEquals(wasTried(ping.noRoute), true);
    assertEquals(wasTried(ping.noName), false);
  }
  assertEquals(wasTried(IPUTILS.dropped), true);
  assertEquals(wasTried('exec of "ping" failed: No such file or directory'), false);
  assertEquals(wasTried('Cannot open network namespace "x": No such file or directory'), false);
});
