/**
 * The wires between two guests of the lab, and what tells their kernels apart.
 *
 * @module
 */
import type { Ip } from "../../../lib/iproute2/ip.ts";

/** The link of the wire that is tested. */
export const WIRE = "wire";

/** The link of the wire by which one guest tells the other what to do. */
export const CONTROL = "control";

/** The addresses on {@linkcode CONTROL}, and where the second guest listens. */
export const CONTROL_ADDRESSES = { first: "198.51.100.1", second: "198.51.100.2", port: 7000 };

/** Sets up the link {@linkcode CONTROL} with an address. */
export async function setUpControl(ip: Ip, address: string): Promise<void> {
  await ip.link.set(CONTROL, { up: true });
  await ip.addr.add({ dev: CONTROL, address: `${address}/30` });
}

/**
 * Plugs {@linkcode WIRE} into a namespace as a link of this name. It comes back when the namespace is
 * deleted.
 */
export async function plugWire(ip: Ip, netns: string, name: string): Promise<void> {
  await ip.link.set(WIRE, { name, netns });
}

/** What tells a kernel from others. */
export interface KernelFacts {
  /** The id of its boot. */
  bootId: string;
  /** Its release. */
  release: string;
}

/** Reads the facts of this kernel. */
export async function readKernelFacts(): Promise<KernelFacts> {
  const bootId = await Deno.readTextFile("/proc/sys/kernel/random/boot_id");
  return { bootId: bootId.trimEnd(), release: Deno.osRelease() };
}
