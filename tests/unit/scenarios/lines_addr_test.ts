import { assertEquals } from "@std/assert";
import { matchesAddrs } from "../../../scenarios/kit/machines/lines.ts";

/** What `ip addr show dev eth0` prints (iproute2 6.1), the link-local address shortened. */
const SHOWN =
  `2: eth0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 32:e0:22:5f:46:84 brd ff:ff:ff:ff:ff:ff link-netns b
    inet 192.168.1.250/24 brd 192.168.1.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 fd00::1/64 scope global nodad 
       valid_lft forever preferred_lft forever
    inet6 fe80::1/64 scope link 
       valid_lft forever preferred_lft forever`;
const V4 = "192.168.1.250/24";

Deno.test("matchesAddrs compares addresses, their lengths, and the flags that are named", () => {
  assertEquals(matchesAddrs(SHOWN, [V4, "fd00::1/64"]), true);
  assertEquals(matchesAddrs(SHOWN, ["fd00::1/64 nodad", V4, "fe80::1/64"]), true);
  assertEquals(matchesAddrs(SHOWN, [V4]), false);
  assertEquals(matchesAddrs(SHOWN, [`${V4} eth0`, "fd00::1/64 global"]), false);
  assertEquals(matchesAddrs(SHOWN, [V4, "fd00::1/64", "fd00::2/64"]), false);
  assertEquals(matchesAddrs(SHOWN, ["192.168.1.250/16", "fd00::1/64"]), false);
  assertEquals(matchesAddrs(SHOWN, [V4, "fd00::1/64 dynamic"]), false);
  assertEquals(matchesAddrs(SHOWN, [V4, "fd00::1/64", "fe80::2/64"]), false);
});

Deno.test("matchesAddrs refuses an address that cannot be used, unless that is expected", () => {
  const unusable = "    inet6 fd00::1/64 scope global tentative dadfailed ";
  assertEquals(matchesAddrs(unusable, ["fd00::1/64"]), false);
  assertEquals(matchesAddrs(unusable, ["fd00::1/64 tentative"]), false);
  assertEquals(matchesAddrs(unusable, ["fd00::1/64 tentative dadfailed"]), true);
});
