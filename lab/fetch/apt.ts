/**
 * Downloads Debian packages with apt-get(8), as any user. If the machine's package lists or sources
 * are useless, the lab makes its own.
 *
 * @module
 */
import { MissingError } from "../errors.ts";
import { exists, which } from "../machine.ts";
import { runProgram } from "../program.ts";

/** The releases of Debian that a package can come from, by their code names; the oldest first. */
export const DEBIAN_RELEASES = ["bullseye", "bookworm", "trixie", "forky"] as const;

/** The code name of a release of Debian that a package can come from. */
export type DebianRelease = typeof DEBIAN_RELEASES[number];

/** The release that a package comes from: the machine's own, or a release of Debian. */
export type Release = "own" | DebianRelease;

/**
 * Downloads packages of a release into a folder, as `.deb` files.
 *
 * @param temp The folder, absolute. The lists and the cache of apt-get are below it.
 * @param options.keyring The file of the keys that Debian signs its releases with.
 * @param options.dependencies Also download the dependencies whose names match. For the release
 * `own` these are only the packages that the machine lacks. Default: no dependencies.
 * @param options.announce Say how many packages and MB it downloads, before it does. It always says
 * so with dependencies.
 * @throws {MissingError} if the download fails, with the error of apt-get.
 */
export async function download(
  temp: string,
  names: readonly string[],
  { release, keyring, dependencies, announce, say, signal }: {
    release: Release;
    keyring: string;
    dependencies?: RegExp;
    announce?: boolean;
    say: (line: string) => void;
    signal?: AbortSignal;
  },
): Promise<void> {
  if (!which("apt-get")) {
    throw new MissingError(
      `This machine has no apt-get, so cannot fetch ${names.join(", ")}`,
      "install them yourself, or choose another engine with --engine",
    );
  }
  // A cache outside /var needs no root. With root as the sandbox user, apt does not warn that the
  // user `_apt` cannot enter the folder.
  const options = ["-q", "-o", "APT::Sandbox::User=root", "-o", `Dir::Cache=${temp}/cache`];
  const progress = setInterval(() => say(`fetched ${megabytes(temp)} MB so far`), 5000);
  const apt = (...words: string[]) =>
    runProgram("apt-get", [...options, ...words], { signal, cwd: temp });
  const fetchError = (...outputs: string[]) => {
    const error = outputs.join("\n").split("\n").find((line) => /^[EW]: /.test(line));
    return new MissingError(
      `Cannot fetch ${names.join(", ")}${error ? ` (${error.slice(3)})` : ""}`,
      release === "own"
        ? `connect to the network, or install them yourself (apt-get install ${names.join(" ")})`
        : "connect to the network",
    );
  };
  const get = async () => {
    if (!dependencies && !announce) return await apt("download", ...names);
    const words = dependencies ? ["install", "-y", "--no-install-recommends"] : ["download"];
    const plan = [...words, "--print-uris", "-qq", ...names];
    const planned = await apt("-o", "Debug::NoLocking=1", ...plan);
    if (!planned.ok) return planned;
    const packages = plannedPackages(planned.text)
      .filter(({ name }) => !dependencies || dependencies.test(name));
    const bytes = packages.reduce((sum, { size }) => sum + size, 0);
    const count = packages.length === 1 ? "1 package" : `${packages.length} packages`;
    say(`downloading ${count}, ${Math.ceil(bytes / 1e6)} MB`);
    return await apt("download", ...packages.map(({ name, version }) => `${name}=${version}`));
  };
  try {
    await Deno.mkdir(`${temp}/cache/archives/partial`, { recursive: true });
    if (release === "own") {
      if ((await get()).ok) return;
      say("the machine's package lists are missing or out of date; fetching new ones");
    } else {
      const targets = (await apt(...LIST_SOURCES)).text;
      const sources = debianSources(release, keyring, targets);
      await Deno.writeTextFile(`${temp}/sources.list`, sources);
      options.push("-o", `Dir::Etc::SourceList=${temp}/sources.list`);
      options.push("-o", "Dir::Etc::SourceParts=/dev/null", "-o", "Dir::State::status=/dev/null");
    }
    // apt-get needs no root when it writes its lists into our folder.
    await Deno.mkdir(`${temp}/lists/partial`, { recursive: true });
    options.push("-o", `Dir::State::Lists=${temp}/lists`, "-o", "Debug::NoLocking=1");
    if (announce) say(`reading the package lists of Debian ${release}, about 10 MB`);
    const update = await apt("-o", "Acquire::Languages=none", "update");
    const got = await get();
    if (!got.ok) throw fetchError(update.text, got.text);
  } finally {
    clearInterval(progress);
  }
}

/** Reads what `apt-get --print-uris` prints: `'ADDRESS' NAME_VERSION_ARCH.deb SIZE HASH`. */
export function plannedPackages(text: string): { name: string; version: string; size: number }[] {
  return [...text.matchAll(/^'\S+' ([^_\s]+)_([^_\s]+)_[^_\s]+\.deb (\d+) /gm)]
    .map(([, name = "", version = "", size]) => ({
      name,
      // apt escapes the colon in a file name.
      version: version.replaceAll("%3a", ":"),
      size: Number(size),
    }));
}

/** Makes apt-get(8) print a line `LIST ADDRESS SUITE COMPONENT` for each list of its sources. */
export const LIST_SOURCES: string[] = [
  "indextargets",
  "--no-release-info",
  "--format",
  "$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)",
];

/** The names of the releases in Debian's archive. An archive with other names is not Debian's. */
// deno-fmt-ignore
const SUITES = [
  "bullseye", "bookworm", "trixie", "forky", "sid",
  "oldoldstable", "oldstable", "stable", "testing", "unstable",
];

/** Debian's public archive, for machines whose sources are not Debian's. */
const DEBIAN_ARCHIVE = "http://deb.debian.org/debian";

/** The file where packages install Debian's keys. apt refuses a release without their signature. */
export const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * The sources for a release of Debian, sources.list(5). They name the archives of Debian in the
 * machine's own sources. A machine without one, such as Ubuntu, gets Debian's public archive.
 *
 * @param keyring The file of Debian's keys.
 * @param targets What apt-get prints for {@linkcode LIST_SOURCES}.
 */
export function debianSources(release: DebianRelease, keyring: string, targets: string): string {
  const archives = targets.split("\n").map((line) => line.split(" "))
    .filter(([list, , suite = "", component]) =>
      list === "Packages" && component === "main" && SUITES.includes(suite)
    )
    .map(([, address = ""]) => address);
  const chosen = archives.length > 0 ? [...new Set(archives)] : [DEBIAN_ARCHIVE];
  return chosen.map((archive) => `deb [signed-by=${keyring}] ${archive} ${release} main\n`).join(
    "",
  );
}

/** The code name of the machine's own release: `VERSION_CODENAME` of os-release(5). */
export function ownCodename(): string {
  const text = exists("/etc/os-release") ? Deno.readTextFileSync("/etc/os-release") : "";
  return /^VERSION_CODENAME="?([^"\n]*)/m.exec(text)?.[1] ?? "";
}

/** The total size of the files below a folder, in MB. */
function megabytes(folder: string): number {
  let bytes = 0;
  const walk = (path: string) => {
    for (const { name, isFile, isDirectory } of Deno.readDirSync(path)) {
      if (isDirectory) walk(`${path}/${name}`);
      if (isFile) bytes += sizeOf(`${path}/${name}`);
    }
  };
  walk(folder);
  return Math.round(bytes / 1e6);
}

/** The size of a file; 0 if apt-get has just moved it away. */
function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}
