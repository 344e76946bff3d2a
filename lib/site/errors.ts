import type { Finding } from "../check/mod.ts";
import { IpvlanError } from "../errors.ts";
import { didYouMean } from "../suggest.ts";

/** A site's work is in the way of something that the site did not make. */
export class SiteConflictError extends IpvlanError {
  /** The site. */
  readonly site: string;
  /** The network or the sandbox. */
  readonly subject: string;

  /** Makes the error from the site, what it is about, and a sentence. */
  constructor(site: string, subject: string, message: string) {
    super(message);
    this.site = site;
    this.subject = subject;
  }
}

/** A network or a sandbox is there already, and is not the site's. */
export function foreign(
  site: string,
  kind: "network" | "sandbox",
  name: string,
  owner: string | undefined,
): SiteConflictError {
  const whose = owner === undefined
    ? "belongs to no site"
    : `belongs to the site ${JSON.stringify(owner)}`;
  return new SiteConflictError(
    site,
    name,
    `The ${kind} "${name}" is there already and ${whose}: choose another name, or remove it first`,
  );
}

/** A network has to go, and sandboxes that are not the site's are connected to it. */
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

/** There is neither a network nor a sandbox of a name. */
export class UnknownNameError extends IpvlanError {
  /** The name. */
  readonly subject: string;

  /** Makes the error from the name, and those there are. */
  constructor(subject: string, known: readonly string[]) {
    const hint = didYouMean(subject, known) || ": see which there are";
    super(`There is no network or sandbox ${JSON.stringify(subject)}${hint}`);
    this.subject = subject;
  }
}

/** Changes would cost connectivity, and nobody has said that they may. */
export class ConsentError extends IpvlanError {
  /** The changes, as lines of the plan. */
  readonly changes: readonly string[];

  /** Makes the error from the changes, as lines of the plan. */
  constructor(changes: readonly string[]) {
    super(
      ["These changes cost connectivity: say --yes to make them", ...changes].join("\n"),
    );
    this.changes = changes;
  }
}

/** Checks did not hold. */
export class ChecksFailedError extends IpvlanError {
  /** What was found of each of them. */
  readonly findings: readonly Finding[];

  /** Makes the error from what was found. */
  constructor(findings: readonly Finding[]) {
    super(findings.map(({ sentence }) => `This does not hold: ${sentence}`).join("\n"));
    this.findings = findings;
  }
}

/** Sandboxes could not be brought back. */
export class RestoreFailedError extends IpvlanError {
  /** The sandboxes. */
  readonly sandboxes: readonly string[];

  /** Makes the error from the sandboxes and why not. */
  constructor(missing: readonly { name: string; reason: string }[]) {
    super(
      missing.map(({ name, reason }) =>
        `The sandbox "${name}" could not be brought back: ${reason}`
      )
        .join("\n"),
    );
    this.sandboxes = missing.map(({ name }) => name);
  }
}

/** A signal ended what was being done. */
export class InterruptedError extends IpvlanError {
  /** Makes the error. */
  constructor() {
    super("It was interrupted");
  }
}

/** What was done could not be undone after a failure. */
export class NotRolledBackError extends IpvlanError {
  /** Why it was to be undone. */
  readonly failure: unknown;

  /** Makes the error from why it was to be undone, and why it could not be. */
  constructor(failure: Error, obstacle: Error) {
    super(
      `${failure.message}\nWhat was done so far could not be undone (${obstacle.message}): ` +
        "apply the file again once that is mended",
      { cause: obstacle },
    );
    this.failure = failure;
  }
}
