// The versions of the plugin. No import, as Podman asks for the version before every call.

/** The versions of the CNI specification that the plugin supports, the oldest first. */
export const CNI_VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

export type CniVersion = typeof CNI_VERSIONS[number];

const NEWEST: CniVersion = "1.1.0";

export function isCniVersion(value: unknown): value is CniVersion {
  return (CNI_VERSIONS as readonly unknown[]).includes(value);
}

export function isAtLeast(version: CniVersion, least: CniVersion): boolean {
  return CNI_VERSIONS.indexOf(version) >= CNI_VERSIONS.indexOf(least);
}

/** The first version of commands that not all versions have. */
export const SINCE: Readonly<Record<string, CniVersion>> = {
  CHECK: "0.4.0",
  GC: "1.1.0",
  STATUS: "1.1.0",
};

/** The version of the answer to a configuration, whatever else is wrong with that. */
export function versionOf(text: string): CniVersion {
  try {
    const { cniVersion } = JSON.parse(text);
    return isCniVersion(cniVersion) ? cniVersion : NEWEST;
  } catch {
    return NEWEST;
  }
}

export function versionAnswer(text: string): unknown {
  return { cniVersion: versionOf(text), supportedVersions: CNI_VERSIONS };
}
