import { assert, assertEquals, assertThrows } from "@std/assert";
import { MissingError } from "../../../lab/errors.ts";
import { missingModules, moduleFiles } from "../../../lab/guest/boot.ts";
import { kernelCommandLine } from "../../../lab/uml/boot.ts";

const DEP = `kernel/fs/overlayfs/overlay.ko:
kernel/drivers/net/ipvlan/ipvlan.ko: kernel/net/ipv6/ipv6.ko kernel/lib/crc-ccitt.ko
kernel/drivers/net/ipvlan/ipvtap.ko: kernel/drivers/net/ipvlan/ipvlan.ko kernel/drivers/net/tap.ko
kernel/net/ipv6/ipv6.ko: kernel/lib/crc-ccitt.ko
`;

Deno.test("moduleFiles() puts needed modules first", () => {
  assertEquals(moduleFiles(DEP, "overlay"), ["kernel/fs/overlayfs/overlay.ko"]);
  assertEquals(moduleFiles(DEP, "ipvlan"), [
    "kernel/lib/crc-ccitt.ko",
    "kernel/net/ipv6/ipv6.ko",
    "kernel/drivers/net/ipvlan/ipvlan.ko",
  ]);
});

Deno.test("moduleFiles() compares the whole name", () => {
  assertThrows(() => moduleFiles(DEP, "vlan"), MissingError, "no module vlan");
});

const OPTIONS = {
  memory: 2048,
  run: "/tmp/r",
  busybox: "/c/busybox",
  wires: [],
  shell: false,
  seccomp: false,
};

Deno.test("missingModules() finds modules in files and in the kernel, with - or _ in their names", () => {
  const builtin = "kernel/net/ipv4/ip-gre.ko\nkernel/net/packet/af_packet.ko.xz\n";
  const wanted = ["ipvlan", "crc_ccitt", "ip_gre", "af_packet", "pvlan", "ipvlan_l3s"];
  assertEquals(missingModules(DEP + builtin, wanted), ["pvlan", "ipvlan_l3s"]);
});

Deno.test("kernelCommandLine() gives each stream of a command its own console", () => {
  const words = kernelCommandLine(OPTIONS);
  assertEquals(words.filter((word) => /^con\d/.test(word)), [
    "con0=null,fd:3",
    "con1=null,fd:4",
    "con2=null,fd:1",
  ]);
  assertEquals(words[0], "mem=2048M");
  assertEquals(words.slice(words.indexOf("--") - 1), [
    "init=/c/busybox",
    "--",
    "sh",
    "/tmp/r/init.sh",
    "/tmp/r",
  ]);
});

Deno.test("kernelCommandLine() connects a shell to the keyboard and the terminal's size", () => {
  const words = kernelCommandLine({ ...OPTIONS, shell: true });
  assert(words.includes("con0=fd:0,fd:3"));
  assert(words.includes("con1=fd:5,null"));
});

Deno.test("kernelCommandLine() makes a link of each wire", () => {
  const wires = [
    { name: "wire", mac: "02:00:00:00:00:00", fd: 21 },
    { name: "control", mac: "02:00:00:00:00:01", fd: 23 },
  ];
  assertEquals(
    kernelCommandLine({ ...OPTIONS, wires }).filter((word) => word.startsWith("vec")),
    [
      "vec0:transport=fd,fd=21,mac=02:00:00:00:00:00,mtu=1500",
      "vec1:transport=fd,fd=23,mac=02:00:00:00:00:01,mtu=1500",
    ],
  );
});

Deno.test("kernelCommandLine() has seccomp= only if the kernel knows it", () => {
  assert(kernelCommandLine({ ...OPTIONS, seccomp: true }).includes("seccomp=auto"));
  assert(!kernelCommandLine(OPTIONS).some((word) => word.startsWith("seccomp")));
});

Deno.test("kernelCommandLine() refuses a path with a space", () => {
  assertThrows(() => kernelCommandLine({ ...OPTIONS, run: "/my tmp/r" }), MissingError, "space");
});
