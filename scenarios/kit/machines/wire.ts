/**
 * The wires between two guests of the lab, and the facts that distinguish their kernels.
 *
 * @module
 */
import type { Ip } from "../../../lib/iproute2/ip.ts";

/** The link of the wire under test. */
export const WIRE = "wire";

/** The link of the wire for calls between the guests. */
export const CONTROL = "control";

/** The addresses on {@linkcode CONTROL}, and the port of the second guest. */
export const CONTROL_ADDRESSES = { first: "198.51.100.1", second: "198.51.100.2", port: 7000 };

/** Sets up the link {@linkcode CONTROL} with an address. */
export async function setUpControl(ip: Ip, address: string): Promise<void> {
  await ip.link.set(CONTROL, { up: true });
  await ip.addr.add({ dev: CONTROL, address: `${address}/30` });
}

/**
 * Plugs {@linkcode WIRE} into a namespace as a link of this name. It comes back when the namespace
 * is deleted.
 */
export async function plugWire(ip: Ip, netns: string, name: string): Promise<void> {
  await ip.link.set(WIRE, { name, netns });
}

/** The facts that distinguish a kernel. */
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
