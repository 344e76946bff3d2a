/**
 * Decisions before a kernel boots in QEMU: pure functions on values.
 *
 * @module
 */
import type { Devices } from "../guest/boot.ts";
import type { Start } from "../guest/run.ts";
import type { WireEnd } from "../guest/wire.ts";

/** The devices of the streams in QEMU: two consoles, and three serial ports. */
export const QEMU_DEVICES: Devices = {
  share: "9p",
  outTty: "/dev/hvc0",
  errTty: "/dev/hvc1",
  outPipe: "/dev/lab.out",
  errPipe: "/dev/lab.err",
  size: "/dev/lab.size",
};

/** The modules to load before `init.sh` can run: for the consoles, the machine's root, an overlay. */
export const BOOT_MODULES: readonly string[] = [
  "virtio_pci",
  "virtio_console",
  "9pnet_virtio",
  "9p",
  "overlay",
];

/**
 * The script of the kernel's first process. It mounts the machine's root read-only, and runs
 * `init.sh` there. It uses switch_root and not chroot: the kernel's own threads share the root of
 * this process, and load modules from it.
 *
 * @param busybox The path of busybox on the machine.
 */
export function initrdScript(busybox: string): string {
  return `#!/busybox sh
/busybox mkdir /proc /root
/busybox mount -t proc proc /proc
for word in $(/busybox cat /proc/cmdline); do
  case $word in lab.run=*) run=\${word#lab.run=} ;; esac
done
/busybox umount /proc
for module in /modules/*; do /busybox insmod "$module"; done
/busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 root /root
/busybox mount -t devtmpfs devtmpfs /root/dev
exec /busybox switch_root /root ${busybox} sh "$run/init.sh" "$run"
`;
}

/** How a guest's instructions run: on the processor by KVM, or emulated by QEMU (TCG). */
export type Accelerator = "kvm" | "tcg";

/** The options of QEMU's command line. */
export interface QemuOptions {
  /** How the guest's instructions run. */
  accelerator: Accelerator;
  /** The kernel, a `bzImage`. */
  kernel: string;
  /** Its initrd. */
  initrd: string;
  /** Size of the guest's memory, in MiB. */
  memory: number;
}

/**
 * The command line of QEMU (qemu(1)). File descriptor 3 is standard output, 4 standard error. For a
 * shell, 0 is the keyboard, and the FIFO `size` of the run sends the size of the terminal.
 *
 * @param qemu The command line that runs QEMU, without options.
 */
export function qemuCommand(
  qemu: readonly string[],
  { accelerator, kernel, initrd, memory }: QemuOptions,
  { run, shares, wires, shell, terminals }: Start,
): string[] {
  // A shell's terminal is QEMU's own standard input and output.
  const words = shell ? ["sh", "-c", 'exec "$@" >&3', "sh", ...qemu] : qemu;
  const out = shell ? ["-chardev", "stdio,id=out,signal=off"] : file("out", "/dev/fd/3");
  const err = file("err", "/dev/fd/4");
  const size = shell ? ["-chardev", `pipe,id=size,path=${escape(`${run}/size`)}`] : none("size");
  return [
    ...words,
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-M", "q35", "-accel", accelerator, "-m", `${memory}`],
    ...accelerator === "kvm" ? ["-cpu", "host"] : [],
    ...["-kernel", kernel, "-initrd", initrd],
    ...["-append", `console=ttyS0 quiet panic=-1 mitigations=off lab.run=${run}`],
    ...["-serial", `file:${escape(`${run}/console`)}`],
    ...folder("root", "/", ",readonly=on"),
    ...shares.flatMap((path, index) => folder(`share${index}`, path, "")),
    ...wires.flatMap(wire),
    ...["-device", "virtio-serial-pci"],
    ...[...out, ...err, ...size, ...none("out-console"), ...none("err-console")],
    ...["-device", `virtconsole,chardev=${shell || terminals.out ? "out" : "out-console"}`],
    ...["-device", `virtconsole,chardev=${terminals.err && !shell ? "err" : "err-console"}`],
    ...shell || terminals.out ? [] : ["-device", "virtserialport,chardev=out,name=lab.out"],
    ...shell || terminals.err ? [] : ["-device", "virtserialport,chardev=err,name=lab.err"],
    ...["-device", "virtserialport,chardev=size,name=lab.size"],
  ];
}

/** Shows a folder of the machine to the guest as a 9p file system. */
function folder(tag: string, path: string, more: string): string[] {
  const options = `local,id=${tag},path=${escape(path)},security_model=none,multidevs=remap${more}`;
  return ["-fsdev", options, "-device", `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`];
}

/** A network card at the end of a wire. */
function wire({ fd, mac }: WireEnd, index: number): string[] {
  const id = `wire${index}`;
  return [
    ...["-netdev", `socket,id=${id},fd=${fd}`],
    ...["-device", `virtio-net-pci,netdev=${id},mac=${mac},romfile=`],
  ];
}

/** A character device that writes to a file. */
function file(id: string, path: string): string[] {
  return ["-chardev", `file,id=${id},path=${path}`];
}

/** A character device that drops its output. */
function none(id: string): string[] {
  return ["-chardev", `null,id=${id}`];
}

/** Doubles the commas: in QEMU's options, a single comma ends a value. */
function escape(path: string): string {
  return path.replaceAll(",", ",,");
}
