import { IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";
import { isSameFile, type Maker, SITE_LABEL, sourceOf } from "./labels.ts";
import { describeFile } from "./describe.ts";

/** Makes the error for an existing network or sandbox that belongs to no site or to another one. */
export function foreignError(
  { name: site, source }: Maker,
  kind: "network" | "sandbox",
  { name, labels }: { name: string; labels: Readonly<Record<string, string>> },
): IpvlanErrorOf<"site-conflict"> {
  const conflict = (rest: string) =>
    new IpvlanError("site-conflict", {
      site,
      subject: name,
      reason: `The ${kind} "${name}" is there already and ${rest}`,
    });
  const advice = "choose another name, or remove it first";
  const owner = labels[SITE_LABEL];
  if (owner === undefined) return conflict(`belongs to no site: ${advice}`);
  const whose = `belongs to the site ${JSON.stringify(owner)}`;
  const file = sourceOf(labels);
  if (file === undefined) return conflict(`${whose}: ${advice}`);
  const path = describeFile(file.path);
  if (!isSameFile(file, source)) return conflict(`${whose} of ${path}: ${advice}`);
  const as = file.path === source?.path ? "" : ` as ${path}`;
  return conflict(`${whose}, which this file made${as}: say "name: ${owner}" in it`);
}

/** Makes the error for a network that must be removed but connects sandboxes of others. */
export function inUseError(
  site: string,
  network: string,
  sandboxes: readonly string[],
): IpvlanErrorOf<"site-conflict"> {
  const names = sandboxes.map((name) => `"${name}"`).join(", ");
  return new IpvlanError("site-conflict", {
    site,
    subject: network,
    reason:
      `The network "${network}" must be removed, but sandboxes that the site "${site}" did not make ` +
      `are connected to it (${names}): disconnect them first`,
  });
}
