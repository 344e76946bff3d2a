import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { initrdScript, qemuCommand } from "../../../lab/qemu/boot.ts";

const QEMU = ["env", "A=b", "/q/qemu-system-x86_64"];
const OPTIONS = { accelerator: "tcg", kernel: "/k", initrd: "/i", memory: 1024 } as const;
const START = {
  run: "/tmp/r",
  shares: ["/tmp/r", "/tmp/a,b"],
  wires: [],
  shell: false,
  terminals: { out: false, err: false },
};

/** The values of an option. */
const valuesOf = (words: string[], option: string) =>
  words.filter((_, index) => words[index - 1] === option);

Deno.test("qemuCommand() shares the machine's root read-only, and the shares writable", () => {
  const words = qemuCommand(QEMU, OPTIONS, START);
  assertEquals(words.slice(0, 3), QEMU);
  assertEquals(valuesOf(words, "-fsdev"), [
    "local,id=root,path=/,security_model=none,multidevs=remap,readonly=on",
    "local,id=share0,path=/tmp/r,security_model=none,multidevs=remap",
    // A single comma would end the value.
    "local,id=share1,path=/tmp/a,,b,security_model=none,multidevs=remap",
  ]);
  assertStringIncludes(valuesOf(words, "-append")[0]!, "lab.run=/tmp/r");
});

Deno.test("qemuCommand() gives a console to a stream that is a terminal, and a port to one that is not", () => {
  const devices = (terminals: { out: boolean; err: boolean }) =>
    valuesOf(qemuCommand(QEMU, OPTIONS, { ...START, terminals }), "-device")
      .filter((device) => /console|serialport/.test(device));
  assertEquals(devices({ out: false, err: true }), [
    "virtconsole,chardev=out-console",
    "virtconsole,chardev=err",
    "virtserialport,chardev=out,name=lab.out",
    "virtserialport,chardev=size,name=lab.size",
  ]);
  assertEquals(devices({ out: true, err: false }), [
    "virtconsole,chardev=out",
    "virtconsole,chardev=err-console",
    "virtserialport,chardev=err,name=lab.err",
    "virtserialport,chardev=size,name=lab.size",
  ]);
});

Deno.test("qemuCommand() gives a shell QEMU's own input and output", () => {
  const words = qemuCommand(QEMU, OPTIONS, { ...START, shell: true });
  assertEquals(words.slice(0, 7), ["sh", "-c", 'exec "$@" >&3', "sh", ...QEMU]);
  assertEquals(valuesOf(words, "-chardev").filter((device) => !device.startsWith("null")), [
    "stdio,id=out,signal=off",
    "file,id=err,path=/dev/fd/4",
    "pipe,id=size,path=/tmp/r/size",
  ]);
});

Deno.test("qemuCommand() puts a network card at the end of each wire, and has no other one", () => {
  assertEquals(valuesOf(qemuCommand(QEMU, OPTIONS, START), "-netdev"), []);
  const wires = [{ name: "wire", mac: "02:00:00:00:01:00", fd: 22 }];
  const words = qemuCommand(QEMU, OPTIONS, { ...START, wires });
  assert(words.includes("-nodefaults"));
  assertEquals(valuesOf(words, "-netdev"), ["socket,id=wire0,fd=22"]);
  assertEquals(valuesOf(words, "-device").filter((device) => device.startsWith("virtio-net")), [
    "virtio-net-pci,netdev=wire0,mac=02:00:00:00:01:00,romfile=",
  ]);
});

Deno.test("qemuCommand() shows the guest the machine's own processor with KVM only", () => {
  assert(!qemuCommand(QEMU, OPTIONS, START).includes("-cpu"));
  const words = qemuCommand(QEMU, { ...OPTIONS, accelerator: "kvm" }, START);
  assertEquals([valuesOf(words, "-accel"), valuesOf(words, "-cpu")], [["kvm"], ["host"]]);
});

Deno.test("initrdScript() runs init.sh on the machine's root with the machine's busybox", () => {
  assertStringIncludes(
    initrdScript("/c/busybox"),
    'exec /busybox switch_root /root /c/busybox sh "$run/init.sh" "$run"\n',
  );
});
