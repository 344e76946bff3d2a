/**
 * `deno task package`: makes the packages of this program in `dist/`, for Debian and as archives.
 *
 * @module
 */
import metadata from "../../deno.json" with { type: "json" };
import { Interrupt } from "../../lib/base/signals.ts";
import { SCRIPTS as COMPLETION_SCRIPTS } from "../../lib/cli/commands/completion.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { LabError } from "../errors.ts";
import { projectFile } from "../job.ts";
import { withRunFolder } from "../run_folder.ts";
import { bundleProgram } from "./bundle.ts";
import { changelogOf, controlOf, NAME, OVERRIDES, SCRIPTS } from "./debian.ts";
import { type Arch, ARCHES, fetchDeno } from "./deno.ts";
import {
  COMPLETIONS,
  compressed,
  copyrightOf,
  launcher,
  manualPages,
  packagedUnits,
  type PackageFile,
  PROGRAM,
} from "./files.ts";
import type { Documented } from "./man.ts";
import { type BuildOptions, makeArchive, makeDeb, succeed, writeFiles } from "./tree.ts";

const { version } = metadata;
const say = (line: string): void => console.error(`package: ${line}`);

/** Makes the packages, and prints their paths. */
async function build(signal: AbortSignal): Promise<void> {
  // Modes do not depend on the user who builds.
  Deno.umask(0o022);
  const dist = projectFile("dist");
  const options = { signal, epoch: await lastChange(signal) };
  await withRunFolder(async (temp) => {
    const denos = {} as Record<Arch, string>;
    for (const arch of ARCHES) denos[arch] = await fetchDeno(arch, { say, signal });
    say("bundling the program");
    await Deno.mkdir(`${temp}/stage`);
    const own = Deno.build.arch === "x86_64" ? "amd64" : "arm64";
    const code = `${temp}/code`;
    const dependencies = await bundleProgram(denos[own], `${temp}/stage`, code, signal);
    const files = await commonFiles(code, dependencies);
    await Deno.mkdir(dist, { recursive: true });
    await Promise.all(
      ARCHES.map((arch) => buildFor(arch, denos[arch], files, temp, { ...options, dist })),
    );
  });
}

/** The time of the last commit; or what SOURCE_DATE_EPOCH says (reproducible-builds.org). */
async function lastChange(signal: AbortSignal): Promise<number> {
  const given = Deno.env.get("SOURCE_DATE_EPOCH");
  if (given !== undefined && !/^\d+$/.test(given)) {
    throw new LabError(`SOURCE_DATE_EPOCH is ${JSON.stringify(given)}: give seconds since 1970`);
  }
  const git = ["-C", projectFile("."), "log", "-1", "--format=%ct"];
  return Number(given ?? await succeed("git", git, signal));
}

/** The files of every package, with their paths below the prefix. */
async function commonFiles(
  code: string,
  dependencies: Parameters<typeof copyrightOf>[1],
): Promise<PackageFile[]> {
  const read = (name: string) => Deno.readTextFile(projectFile(name));
  const commands = await Promise.all(
    Object.entries(COMMANDS).filter(([name]) => name !== "lab")
      .map(async ([name, { summary, load }]): Promise<Documented> => ({
        name,
        summary,
        command: await load(),
      })),
  );
  return [
    ...[...Deno.readDirSync(code)].map(({ name }) => ({
      path: `${PROGRAM}/${name}`,
      content: Deno.readFileSync(`${code}/${name}`),
    })),
    ...manualPages(commands, version),
    ...Object.entries(COMPLETIONS).map(([shell, path]) => ({
      path,
      content: `${COMPLETION_SCRIPTS[shell]}\n`,
    })),
    {
      path: `share/doc/${NAME}/copyright`,
      content: copyrightOf(await read("LICENSE"), dependencies),
    },
    {
      path: `share/doc/${NAME}/CHANGELOG.md.gz`,
      content: compressed(await read("CHANGELOG.md")),
    },
  ];
}

/** Prints the sums of all files below a folder (deb-md5sums(5)). */
const SUMS = 'cd "$1" && find * -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum';

/** Makes the two files of a processor. */
async function buildFor(
  arch: Arch,
  deno: string,
  common: readonly PackageFile[],
  temp: string,
  { dist, ...options }: BuildOptions & { dist: string },
): Promise<void> {
  const name = `${NAME}_${version}_${arch}`;
  const program = { path: `${PROGRAM}/deno`, content: await Deno.readFile(deno), mode: 0o755 };
  const tree = `${temp}/${arch}`;
  await writeFiles(tree, [
    ...common,
    program,
    {
      path: "bin/ipvlan",
      content: launcher(
        '$(dirname "$(dirname "$(readlink -f "$0")")")',
        "$prefix/lib/ipvlan-kit/cache",
      ),
      mode: 0o755,
    },
  ]);
  say(`compressing ${name}.tar.gz`);
  await makeArchive(tree, `${temp}/${name}.tar.gz`, name, options);
  const system = `${temp}/${arch}-system`;
  await Deno.mkdir(system);
  await Deno.rename(tree, `${system}/usr`);
  await Deno.mkdir(`${system}/var/cache/${NAME}`, { recursive: true });
  const units = Object.entries(packagedUnits());
  await writeFiles(system, [
    {
      path: "usr/bin/ipvlan",
      content: launcher("/usr", `/var/cache/${NAME}`),
      mode: 0o755,
    },
    ...units.map(([unit, text]) => ({
      path: `usr/lib/systemd/system/${unit}`,
      content: `${text}\n`,
    })),
    {
      path: `usr/share/doc/${NAME}/changelog.gz`,
      content: compressed(changelogOf(version, options.epoch)),
    },
    { path: `usr/share/lintian/overrides/${NAME}`, content: OVERRIDES },
  ]);
  const size = await succeed("du", ["-sk", "--apparent-size", system], options.signal);
  await writeFiles(`${system}/DEBIAN`, [
    { path: "control", content: controlOf(version, arch, parseInt(size)) },
    {
      path: "md5sums",
      content: `${await succeed("sh", ["-c", SUMS, "sh", system], options.signal)}\n`,
    },
    ...Object.entries(SCRIPTS).map(([path, content]) => ({ path, content, mode: 0o755 })),
  ]);
  say(`compressing ${name}.deb`);
  await makeDeb(system, `${temp}/${name}.deb`, options);
  for (const end of ["deb", "tar.gz"]) {
    const path = `${dist}/${name}.${end}`;
    await Deno.copyFile(`${temp}/${name}.${end}`, `${path}.part`);
    await Deno.rename(`${path}.part`, path);
    console.log(path);
  }
}

if (import.meta.main) {
  using interrupt = new Interrupt({ again: (status) => Deno.exit(status) });
  try {
    await build(interrupt.signal);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    say(error.message);
    Deno.exitCode = 1;
  }
  if (interrupt.status !== undefined) Deno.exitCode = interrupt.status;
}
