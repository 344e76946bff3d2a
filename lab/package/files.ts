/**
 * The files of a package, besides its programs. All functions are pure.
 *
 * @module
 */
import { gzipSync } from "node:zlib";
import { agentService } from "../../lib/cli/commands/restore.ts";
import { dockerService } from "../../lib/cli/commands/docker.ts";
import { serviceOf } from "../../lib/cli/plugin_service.ts";
import { CNI, NETAVARK } from "../../lib/engine/plugins.ts";
import { SYSTEM_LAUNCHER } from "../../lib/install/program.ts";
import { systemdUnit, type Units } from "../../lib/install/unit.ts";
import type { Dependency } from "./bundle.ts";
import { commandPage, type Documented, mainPage, pageName } from "./man.ts";

/** A file of a package. */
export interface PackageFile {
  /** Its path below the prefix, as `share/man/man8/ipvlan.8.gz`. */
  path: string;
  content: string | Uint8Array;
  /** Its mode. @default {0o644} */
  mode?: number;
}

/** The folder of the program below the prefix: see `packageLauncher`. */
export const PROGRAM = "lib/ipvlan-kit";

/**
 * The launcher: it gives Deno the package's cache, as root may have no home, and none of its
 * settings comes from the current folder.
 *
 * @param prefix The prefix, as the shell writes it.
 * @param cache The folder of the cache, as the shell writes it.
 */
export function launcher(prefix: string, cache: string): string {
  return `#!/bin/sh
# The command ipvlan, with the Deno of its package.
[ -z "\${DENO_DIR+set}" ] || export IPVLAN_USERS_DENO_DIR="$DENO_DIR"
prefix=${prefix}
# Deno does not start in a folder that is gone.
[ "$PWD" -ef . ] || [ -n "$(pwd -P 2> /dev/null)" ] || cd /
export DENO_DIR="${cache}"
DENO_NO_UPDATE_CHECK=1 exec "$prefix/${PROGRAM}/deno" run -A --no-config --no-lock --no-remote \\
  --no-npm --no-prompt "$prefix/${PROGRAM}/cli.js" "$@"
`;
}

/**
 * The systemd units of a Debian package: of all that `install` can write. Each is off until it is asked
 * for.
 */
export function packagedUnits(): Units {
  const program = [SYSTEM_LAUNCHER];
  const services = [agentService(), dockerService([]), serviceOf(CNI), serviceOf(NETAVARK)];
  const units = services.map((make): Units => make(program, {}).units);
  return Object.assign({ "ipvlan.service": systemdUnit(program, {}) }, ...units);
}

/** The manual pages, compressed as Debian wants them, without a time. */
export function manualPages(commands: readonly Documented[], version: string): PackageFile[] {
  const page = (name: string, text: string) => ({
    path: `share/man/man8/${name}.8.gz`,
    content: compressed(text),
  });
  return [
    page("ipvlan", mainPage(commands, version)),
    ...commands.map((each) => page(pageName(each.name), commandPage(each, version))),
  ];
}

/** Compresses a text as `gzip -9n` does. */
export function compressed(text: string): Uint8Array {
  return new Uint8Array(gzipSync(text, { level: 9 }));
}

/** Where the shells look for completions. */
export const COMPLETIONS = {
  bash: "share/bash-completion/completions/ipvlan",
  zsh: "share/zsh/vendor-completions/_ipvlan",
  fish: "share/fish/vendor_completions.d/ipvlan.fish",
} as const;

/** The licences of all that is inside (Debian's machine-readable format). */
export function copyrightOf(own: string, dependencies: readonly Dependency[]): string {
  const indented = (text: string) =>
    text.trimEnd().split("\n").map((line) => line.trim() === "" ? " ." : ` ${line}`).join("\n");
  const holders = (text: string) =>
    [...text.matchAll(/^.*Copyright (?:\(c\) |© )?(.*)$/gim)].map(([, holder]) => holder!.trim());
  const stanza = (files: string, name: string, text: string) =>
    [
      `Files: ${files}`,
      `Copyright: ${holders(text).join("\n ")}`,
      `License: ${name}`,
      indented(text),
    ].join("\n");
  return [
    [
      "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
      "Upstream-Name: ipvlan-kit",
      `Comment: cli.js and the files beside it are ipvlan-kit with these packages of npm: ${
        dependencies.map(({ name, version }) => `${name} ${version}`).join(", ")
      }.`,
    ].join("\n"),
    stanza("*", "MIT", own),
    ...dependencies.map(({ name, licence }) =>
      stanza("usr/lib/ipvlan-kit/*.js", `${name}-licence`, licence)
    ),
    [
      stanza("usr/lib/ipvlan-kit/deno", "Deno-MIT", DENO_LICENCE),
      "Comment: Deno contains V8, SQLite, AWS-LC and many other libraries, each under a licence of its",
      " own: see https://github.com/denoland/deno.",
    ].join("\n"),
  ].join("\n\n") + "\n";
}

/** Deno's licence, which npm's packages do not have with them. */
const DENO_LICENCE = `MIT License

Copyright 2018-2026 the Deno authors

Permission is hereby granted, free of charge, to any person obtaining a copy of
this software and associated documentation files (the "Software"), to deal in
the Software without restriction, including without limitation the rights to
use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of
the Software, and to permit persons to whom the Software is furnished to do so,
subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS
FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER
IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
