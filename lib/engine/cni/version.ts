/**
 * What the plugin is called and which versions it speaks. The module imports no other one, as Podman
 * asks for the version before every call.
 *
 * @module
 */

/** The name of the plugin's executable, which is the `type` in configurations. */
export const PLUGIN_NAME = "ipvlan-kit";

/** The versions of the CNI specification that the plugin speaks, the oldest first. */
export const CNI_VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

/** A version of the specification. */
export type CniVersion = typeof CNI_VERSIONS[number];

/** The newest version. */
export const NEWEST: CniVersion = "1.1.0";

/** Whether the plugin speaks a version. */
export function isCniVersion(value: unknown): value is CniVersion {
  return (CNI_VERSIONS as readonly unknown[]).includes(value);
}

/** Whether a version is the same as another one, or newer. */
export function isAtLeast(version: CniVersion, least: CniVersion): boolean {
  return CNI_VERSIONS.indexOf(version) >= CNI_VERSIONS.indexOf(least);
}

/** The first version that has a command; all have the others. */
export const SINCE: Readonly<Record<string, CniVersion>> = {
  CHECK: "0.4.0",
  GC: "1.1.0",
  STATUS: "1.1.0",
};

/** The version that an answer to a configuration has, whatever else is wrong with that. */
export function versionOf(text: string): CniVersion {
  try {
    const { cniVersion } = JSON.parse(text);
    return isCniVersion(cniVersion) ? cniVersion : NEWEST;
  } catch {
    return NEWEST;
  }
}

/** The answer to VERSION. */
export function versionAnswer(text: string): unknown {
  return { cniVersion: versionOf(text), supportedVersions: CNI_VERSIONS };
}
