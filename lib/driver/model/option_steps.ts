/**
 * What the options of a network are in the kernel, as values. An option says what is there while its
 * network, or an endpoint on that, is there. When it is made, each step is done; when it is gone, each
 * step is undone, the last first. Between these, what the kernel has is compared with the steps, and
 * mended.
 *
 * @module
 */
import type { LinkBase } from "../../iproute2/kinds/kind.ts";
import type { Link } from "../../iproute2/link.ts";
import type { RouteSpec } from "../../iproute2/route.ts";
import type { NetworkOptions } from "./types.ts";

/** What a link is made with, and what it shows, under one name. */
export type LinkSettings = Partial<Pick<LinkBase, keyof LinkBase & keyof Link>>;

/** A step that is done in the making of a link, and goes with the link. */
export type SettingStep =
  /** Settings that each link has for itself. */
  | { kind: "link.set"; link: string; set: LinkSettings }
  /** Settings that all ipvlan links on a parent have in common. */
  | { kind: "ipvlan.set"; link: string; set: Partial<Pick<NetworkOptions, "mode" | "flag">> };

/** A step in the host's namespace. What it makes is told apart from what other programs have made. */
export type HostStep = { kind: "route.add"; route: RouteSpec };

/** One step of an option. */
export type OptionStep = SettingStep | HostStep;

/** A step, and the name of its option in messages. */
export type OwnStep = OptionStep & { label: string };

/** Whether a step is in the host's namespace. */
export function isHostStep<T extends OptionStep>(step: T): step is Extract<T, HostStep> {
  return step.kind === "route.add";
}

/** What is the same for two steps that are one thing in the kernel. */
export function stepKey({ route: { type, dst, protocol, metric } }: HostStep): string {
  return `${type} ${dst} protocol ${protocol} metric ${metric}`;
}

/** All settings of some steps. Those of an endpoint have the mode and the flag. */
export function settingsIn(
  steps: readonly OptionStep[],
): Pick<NetworkOptions, "mode" | "flag"> & LinkSettings {
  return Object.assign({}, ...steps.map((step) => isHostStep(step) ? {} : step.set));
}
