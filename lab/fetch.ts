/** Packages the lab needs and the machine lacks, in a cache of their own. @module */
import { LabError } from "./errors.ts";

/** Where the fetched packages are unpacked; looks like a root folder. */
export interface Packages {
  /** The kernel, an executable. */
  kernel: string;
  /** The folder of the kernel's modules, with `modules.dep`. */
  modules: string;
  /** busybox, statically linked. */
  busybox: string;
  /** Folders for the end of PATH. */
  path: string[];
}

/** Returns the packages, after fetching them if need be. */
export async function fetchPackages(): Promise<Packages> {
  const base = Deno.env.get("IPVLAN_LAB_CACHE") ??
    `${Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME")}/.cache`}/ipvlan-kit`;
  const root = `${base}/lab/root`;
  try {
    Deno.statSync(root);
  } catch {
    console.error(`lab: fetching user-mode-linux, busybox-static, radvd into ${base}/lab`);
    Deno.mkdirSync(`${base}/lab`, { recursive: true });
    const temp = Deno.makeTempDirSync({ dir: `${base}/lab`, prefix: "fetch-" });
    const script = `set -e; cd "$1"
      apt-get -qq -o APT::Sandbox::User=root download user-mode-linux busybox-static radvd
      for deb in *.deb; do dpkg -x "$deb" root; done
      mkdir -p root/applets
      for applet in ping ping6 arping traceroute nc modprobe insmod rmmod lsmod ps; do
        ln -s ../bin/busybox root/applets/$applet; done
      mv root ..; cd ..; rm -r "$1"`;
    const { success } = await new Deno.Command("sh", {
      args: ["-c", script, "sh", temp],
      stdout: "inherit",
      stderr: "inherit",
    }).output();
    if (!success) throw new LabError("Cannot fetch the packages of the lab");
  }
  const modules = `${root}/usr/lib/uml/modules`;
  const version = [...Deno.readDirSync(modules)][0]!.name;
  return {
    kernel: `${root}/usr/bin/linux.uml`,
    modules: `${modules}/${version}`,
    busybox: `${root}/bin/busybox`,
    path: [`${root}/usr/sbin`, `${root}/applets`],
  };
}
