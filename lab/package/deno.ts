/**
 * Fetches the Deno that a package brings along, from npm.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { cacheFolder, type CacheOptions, makeInCache } from "../fetch/cache.ts";
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
 * @throws {LabError} It cannot be fetched, or is not what npm has published.
 */
export async function fetchDeno(arch: Arch, options: CacheOptions): Promise<string> {
  const { say, signal } = options;
  const path = `${cacheFolder(Deno.env.toObject())}/deno-${DENO_VERSION}-${arch}`;
  const isDone = () => exists(path);
  if (isDone()) return path;
  await makeInCache(path, options, isDone, async ({ folder, output }) => {
    say(`fetching Deno ${DENO_VERSION} for ${arch}, about 42 MB`);
    const { name, integrity } = BUILDS[arch];
    const pack = ["pack", "--silent", `--pack-destination=${folder}`, `${name}@${DENO_VERSION}`];
    const packed = await runProgram("npm", pack, { signal });
    const [file] = [...Deno.readDirSync(folder)];
    if (!packed.ok || file === undefined) {
      throw new MissingError(
        `Cannot fetch Deno ${DENO_VERSION} from npm: ${packed.text}`,
        "connect to the network",
      );
    }
    const archive = `${folder}/${file.name}`;
    const hash = createHash("sha512").update(await Deno.readFile(archive)).digest("base64");
    if (`sha512-${hash}` !== integrity) {
      throw new LabError(`${name} ${DENO_VERSION} is not what it was: its hash is sha512-${hash}`);
    }
    const unpacked = await runProgram("tar", ["-xzf", archive, "-C", folder], { signal });
    if (!unpacked.ok) throw new LabError(`Cannot unpack ${name}: ${unpacked.text}`);
    await Deno.rename(`${folder}/package/deno`, output);
    await Deno.chmod(output, 0o755);
  });
  return path;
}
