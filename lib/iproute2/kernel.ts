import { IpvlanError, type IpvlanErrorOf, isIpvlanError, problemIn } from "../base/errors.ts";
import { OLDEST_KERNEL } from "../base/error_codes.ts";
import type { AbortOptions } from "../base/waiting.ts";
import { Ip } from "./ip.ts";
import type { LinkSpec } from "./link_types.ts";

/** The release of the kernel, and its support for the links of ipvlan networks. */
export interface KernelFacts {
  /** The release, as `uname -r` prints it. */
  release: string;
  /** For each kind of link, the error that prevents it; `undefined` if it can be made. */
  problems: Record<"ipvlan" | "vlan" | "dummy", IpvlanError | undefined>;
}

/** The module for each kind of link that the driver makes. */
export const MODULES = { ipvlan: "ipvlan", vlan: "8021q", dummy: "dummy" } as const;

/** The error if a kernel is older than {@linkcode OLDEST_KERNEL}. */
export function kernelProblem(release: string): IpvlanErrorOf<"kernel-too-old"> | undefined {
  return release.localeCompare(OLDEST_KERNEL, "en", { numeric: true }) < 0
    ? new IpvlanError("kernel-too-old", { release })
    : undefined;
}

/** Explains a refused line: as missing rights, or as the error itself. */
export function explainRights(error: IpvlanErrorOf<"ip-command">): IpvlanError {
  return error.errno === "EPERM"
    ? new IpvlanError("missing-rights", { reason: error.reason })
    : error;
}

/**
 * Explains a refused `link add` of a kind: as a missing module, as missing rights, or as the error
 * itself. A kernel without the module answers `Unknown device type` (`rtnl_newlink` in
 * `net/core/rtnetlink.c`), after it has tried to load `rtnl-link-KIND`.
 */
export function explainLinkAdd(error: IpvlanErrorOf<"ip-command">, kind: string): IpvlanError {
  if (error.errno !== "EOPNOTSUPP") return explainRights(error);
  const modules: Readonly<Record<string, string>> = MODULES;
  return new IpvlanError("missing-module", { module: modules[kind] ?? kind });
}

/**
 * Tests the kernel: makes one link of each kind in a new namespace, and removes the namespace.
 * Needs the permission `--allow-sys=osRelease`.
 *
 * @throws {"program-not-found"} if iproute2 is not installed.
 * @throws {"session-closed"} if `ip` ended early; the message says why.
 *
 * @example
 * ```ts
 * import { kernelFacts } from "@ipvlan/kit/ip";
 *
 * const { problems } = await kernelFacts();
 * if (problems.ipvlan) throw problems.ipvlan;
 * ```
 */
export async function kernelFacts({ signal }: AbortOptions = {}): Promise<KernelFacts> {
  signal?.throwIfAborted();
  const release = Deno.osRelease();
  // Without the signal, so that it can delete the namespace in the end.
  await using host = await Ip.open();
  const netns = `probe-${crypto.randomUUID().slice(0, 8)}`;
  const refused = await problemIn(() => host.netns.add(netns));
  if (refused) {
    const problem = isIpvlanError(refused, "ip-command")
      ? new IpvlanError("missing-rights", { reason: refused.reason })
      : refused;
    return { release, problems: { ipvlan: problem, vlan: problem, dummy: problem } };
  }
  try {
    await using ip = await Ip.open({ netns, signal });
    // A veth pair is the link below, as it needs none of the three modules.
    await ip.link.add({ type: "veth", name: "below", peer: { name: "other" } });
    const dummy = await problemWith(ip, { type: "dummy", name: "a" });
    const vlan = await problemWith(ip, { type: "vlan", name: "b", link: "below", id: 1 });
    const ipvlan = await problemWith(ip, { type: "ipvlan", name: "c", link: "below", mode: "l2" });
    signal?.throwIfAborted();
    return { release, problems: { ipvlan: kernelProblem(release) ?? ipvlan, vlan, dummy } };
  } finally {
    await host.netns.del(netns);
  }
}

async function problemWith(ip: Ip, spec: LinkSpec): Promise<IpvlanError | undefined> {
  const problem = await problemIn(() => ip.link.add(spec));
  return isIpvlanError(problem, "ip-command") ? explainLinkAdd(problem, spec.type) : problem;
}
