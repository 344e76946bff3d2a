// The steps by which the options of a network act in the kernel, as values. Making the network or
// an endpoint on it does each step; removing it undoes each step, the last first. In between, the
// driver compares the kernel with the steps, and repairs what differs.
import type { AddrSpec } from "../../iproute2/addr.ts";
import type { IpvlanSpec } from "../../iproute2/kinds/ipvlan.ts";
import type { LinkBase } from "../../iproute2/kinds/kind.ts";
import type { Link } from "../../iproute2/link_types.ts";
import type { NeighSpec } from "../../iproute2/neigh.ts";
import type { RouteSpec } from "../../iproute2/route_types.ts";
import type { LinkSetting } from "../../iproute2/sysctl.ts";
import type { NetworkOptions } from "./types.ts";

/** The settings that a link takes when it is made and shows later under the same name. */
export type LinkSettings = Partial<Pick<LinkBase, keyof LinkBase & keyof Link>>;

/** A step that is part of making a link, and is undone with the link. */
export type SettingStep =
  /** Settings of one link. */
  | { kind: "link.set"; link: string; set: LinkSettings }
  /** Settings that all ipvlan links on a parent share. */
  | { kind: "ipvlan.set"; link: string; set: Partial<Pick<NetworkOptions, "mode" | "flag">> };

/** A step in the host's namespace. Marks tell its result from those of other programs. */
export type HostStep =
  | LinkStep
  | { kind: "addr.add"; addr: AddrSpec }
  | RouteStep
  | HostSetting
  /** An address that the host answers for on a link. */
  | { kind: "proxy.add"; dst: string; dev: string };

export type HostSetting = {
  kind: "setting.add";
  dev: string;
  setting: LinkSetting;
  /** The value to put back, if the driver has changed it. */
  before?: LinkSetting;
};

/** An ipvlan link, which is set up and heeds no router. */
export type LinkStep = { kind: "link.add"; link: IpvlanSpec };

/** A route, and a neighbour with the parent's MAC address if that is known. */
export type RouteStep = { kind: "route.add"; route: RouteSpec; neighbour?: NeighSpec };

export type OptionStep = SettingStep | HostStep;

/** A step, and the name of its option in messages. */
export type OwnStep = OptionStep & { label: string };

export function isHostStep<T extends OptionStep>(step: T): step is Extract<T, HostStep> {
  return step.kind.endsWith(".add");
}

/** A step in words: `the route to 10.1.0.5/32`. */
export function stepText(step: HostStep): string {
  if (step.kind === "route.add") return `the route to ${step.route.dst}`;
  if (step.kind === "link.add") return `the link ${step.link.name}`;
  if (step.kind === "proxy.add") return `the proxy entry for ${step.dst} on ${step.dev}`;
  if (step.kind === "setting.add") return `the setting ${step.setting} of ${step.dev}`;
  return `the address ${step.addr.address} on ${step.addr.dev}`;
}

/** The key of a step: two steps with the same result in the kernel have the same one. */
export function stepKey(step: HostStep): string {
  if (step.kind !== "route.add") return stepText(step);
  const { type = "unicast", dst, dev, protocol, metric } = step.route;
  return `${type} ${dst} dev ${dev} protocol ${protocol} metric ${metric}`;
}

/** Merges the settings of steps. Those of an endpoint include the mode and the flag. */
export function settingsIn(
  steps: readonly OptionStep[],
): Pick<NetworkOptions, "mode" | "flag"> & LinkSettings {
  return Object.assign({}, ...steps.map((step) => isHostStep(step) ? {} : step.set));
}
