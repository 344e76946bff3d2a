import { LabError } from "../../lab/errors.ts";
import { run } from "./checks.ts";

/** The packages of Debian that the test needs. */
// deno-fmt-ignore
const PACKAGES = [
  "vagrant", "vagrant-libvirt", "libvirt-daemon-system", "qemu-system-x86", "qemu-utils",
  "mmdebstrap", "extlinux", "rsync", "dnsmasq-base", "iptables", "openssh-client",
];

/** Installs the packages that are missing. */
export async function install(say: (line: string) => void): Promise<void> {
  const missing: string[] = [];
  for (const name of PACKAGES) {
    const { stdout } = await run("dpkg-query", ["-W", "-f", "${Status}", name]);
    if (stdout !== "install ok installed") missing.push(name);
  }
  if (missing.length === 0) return;
  say(`installing ${missing.join(", ")}`);
  await apt(["update"]);
  await apt(["install", "--yes", "--no-install-recommends", ...missing]);
}

/** Runs apt-get. @throws {LabError} if it fails, with its output. */
export async function apt(words: string[]): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const { code, stdout, stderr } = await run("apt-get", ["-q", ...words], { env });
  if (code === 0) return;
  throw new LabError(`apt-get ${words[0]} failed:\n${stdout}${stderr}`);
}
