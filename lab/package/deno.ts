/**
 * Fetches the Deno that a package brings along, from npm.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { cacheFolder } from "../fetch/cache.ts";
import { LabError, MissingError } from "../errors.ts";
import { exists } from "../machine.ts";
import { runProgram } from "../program.ts";

/** The version of Deno in the packages: all tests pass with it. */
export const DENO_VERSION = "2.9.6";

/** The processors, by the names that Debian gives them. */
export type Arch = keyof typeof BUILDS;

/** npm's package of each build of Deno, and its hash as npm publishes it (Subresource Integrity). */
const BUILDS = {
  amd64: {
    name: "@deno/linux-x64-glibc",
    integrity:
      "sha512-3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==",
  },
  arm64: {
    name: "@deno/linux-arm64-glibc",
    integrity:
      "sha512-poqhoH9B3nYloigEMPT5t8HY+wBeiuea1An5Q7fqgJzP0SYmWsoS/oUnWO/pEiA4ofzIBy1Elt/in58xKtxEoQ==",
  },
} as const;

/** All of them. */
export const ARCHES = Object.keys(BUILDS) as Arch[];

/**
 * Fetches Deno for a processor into the lab's cache, unless it is there. Returns its path.
 *
 * @param temp An empty folder.
 * @throws {LabError} It cannot be fetched, or is not what npm has published.
 */
export async function fetchDeno(
  arch: Arch,
  temp: string,
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<string> {
  const { name, integrity } = BUILDS[arch];
  const folder = `${cacheFolder(Deno.env.toObject())}/deno-${DENO_VERSION}-${arch}`;
  const path = `${folder}/deno`;
  if (exists(path)) return path;
  say(`fetching Deno ${DENO_VERSION} for ${arch}, about 42 MB`);
  const pack = ["pack", "--silent", `--pack-destination=${temp}`, `${name}@${DENO_VERSION}`];
  const packed = await runProgram("npm", pack, { signal });
  const [file] = [...Deno.readDirSync(temp)];
  if (!packed.ok || file === undefined) {
    throw new MissingError(
      `Cannot fetch Deno ${DENO_VERSION} from npm: ${packed.text}`,
      "connect to the network",
    );
  }
  const archive = `${temp}/${file.name}`;
  const hash = createHash("sha512").update(await Deno.readFile(archive)).digest("base64");
  if (`sha512-${hash}` !== integrity) {
    throw new LabError(`${name} ${DENO_VERSION} is not what it was: its hash is sha512-${hash}`);
  }
  const unpacked = await runProgram("tar", ["-xzf", archive, "-C", temp], { signal });
  if (!unpacked.ok) throw new LabError(`Cannot unpack ${name}: ${unpacked.text}`);
  await Deno.remove(archive);
  // The folder gets its name when it is whole. Another build may have made it meanwhile.
  await Deno.mkdir(cacheFolder(Deno.env.toObject()), { recursive: true });
  const whole = await Deno.makeTempDir({ dir: cacheFolder(Deno.env.toObject()), prefix: "deno-" });
  await Deno.copyFile(`${temp}/package/deno`, `${whole}/deno`);
  await Deno.chmod(`${whole}/deno`, 0o755);
  await Deno.remove(`${temp}/package`, { recursive: true });
  try {
    await Deno.rename(whole, folder);
  } catch (error) {
    await Deno.remove(whole, { recursive: true });
    if (!exists(path)) throw error;
  }
  return path;
}
