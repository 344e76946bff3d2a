import type { Finding } from "../check/mod.ts";
import { IpvlanError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { isSameFile, type Maker, SITE_LABEL, sourceOf } from "./labels.ts";
import { describeFile } from "./words.ts";

/** The site needs a name or a network that something else has, which the site did not make. */
export class SiteConflictError extends IpvlanError {
  /** The site. */
  readonly site: string;
  /** The network or the sandbox. */
  readonly subject: string;

  /** Makes the error from the site, the network or sandbox, and the message. */
  constructor(site: string, subject: string, message: string) {
    super(message);
    this.site = site;
    this.subject = subject;
  }
}

/** Makes the error that a network or a sandbox exists and belongs to no site or to another one. */
export function foreign(
  { name: site, source }: Maker,
  kind: "network" | "sandbox",
  { name, labels }: { name: string; labels: Readonly<Record<string, string>> },
): SiteConflictError {
  const conflict = (rest: string) =>
    new SiteConflictError(site, name, `The ${kind} "${name}" is there already and ${rest}`);
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

/** Makes the error that a network must be removed while other sandboxes are connected to it. */
export function shared(
  site: string,
  network: string,
  sandboxes: readonly string[],
): SiteConflictError {
  const names = sandboxes.map((name) => `"${name}"`).join(", ");
  return new SiteConflictError(
    site,
    network,
    `The network "${network}" has to go, and sandboxes that the site "${site}" did not make are ` +
      `connected to it (${names}): disconnect them first`,
  );
}

/** No network and no sandbox has this name. */
export class UnknownNameError extends IpvlanError {
  /** The name. */
  readonly subject: string;

  /** Makes the error from the name and the names on record. */
  constructor(subject: string, known: readonly string[]) {
    const hint = didYouMean(subject, known) || ": see which there are";
    super(`There is no network or sandbox ${JSON.stringify(subject)}${hint}`);
    this.subject = subject;
  }
}

/**
 * Changes would remove something, interrupt connectivity, or touch what belongs to another file, and
 * the caller has not allowed that.
 */
export class ConsentError extends IpvlanError {
  /** The changes, as lines of the plan. */
  readonly changes: readonly string[];

  /** Makes the error from the changes, as lines of the plan. */
  constructor(changes: readonly string[]) {
    super(
      [
        "These changes remove something, interrupt connectivity, or touch what belongs to another " +
        "file: say --yes to make them",
        ...changes,
      ].join("\n"),
    );
    this.changes = changes;
  }
}

/** Some checks of the site failed. */
export class ChecksFailedError extends IpvlanError {
  /** The findings of these checks. */
  readonly findings: readonly Finding[];

  /** Makes the error from the findings. */
  constructor(findings: readonly Finding[]) {
    super(findings.map(({ sentence }) => `This does not hold: ${sentence}`).join("\n"));
    this.findings = findings;
  }
}

/** Some sandboxes could not be restored. */
export class RestoreFailedError extends IpvlanError {
  /** The sandboxes. */
  readonly sandboxes: readonly string[];

  /** Makes the error from the sandboxes, each with the reason. */
  constructor(missing: readonly { name: string; reason: string }[]) {
    const told = missing.map(({ name, reason }) =>
      `The sandbox "${name}" could not be brought back: ${reason}`
    );
    super(told.join("\n"));
    this.sandboxes = missing.map(({ name }) => name);
  }
}

/** A call failed, and rolling back its changes failed too. */
export class NotRolledBackError extends IpvlanError {
  /** The failure that caused the rollback. */
  readonly failure: unknown;

  /** Makes the error from that failure, and from the failure of the rollback. */
  constructor(failure: Error, obstacle: Error) {
    super(
      `${failure.message}\nWhat was done so far could not be undone (${obstacle.message}): ` +
        "apply the file again once that is mended",
      { cause: obstacle },
    );
    this.failure = failure;
  }
}
