// Tests of the programs that the lab brings along, for an ordinary user. `tests/engines` has their
// tests for the user who runs the tests.
import { assertEquals, assertMatch } from "@std/assert";
import { lab, PROJECT, read, type RunResult } from "../kit/lab.ts";
import { temporaryFolder } from "../kit/worlds.ts";

/**
 * Runs a command as an ordinary user, in a mount namespace where this user can reach the checkout,
 * Deno, and the lab's cache, which stays read-only. `$1` is an empty folder, `$2` the checkout, `$3`
 * Deno, `$4` the folder of caches. The command is behind.
 */
const AS_USER = `
folder=$1 project=$2 deno=$3 caches=$4
shift 4
cd "$folder"
mkdir clone cache home tmp home/.cache home/.cache/deno
cp -r "\${DENO_DIR:-$caches/deno}/npm" home/.cache/deno/npm
# Root in the lab runs only programs that are root's, or those of the user.
cp "$deno" deno
mount --bind "$project" clone
mount --bind "\${IPVLAN_LAB_CACHE:-$caches/ipvlan-kit}" cache
chmod 755 .
chown -R 65534:65534 home tmp deno
cd clone
exec env -i NO_COLOR=1 PATH="$PATH" HOME="$folder/home" TMPDIR="$folder/tmp" \\
  IPVLAN_LAB_CACHE="$folder/cache" setpriv --reuid 65534 --regid 65534 --clear-groups \\
  "$folder/deno" "$@"
`;

/** Runs the lab as an ordinary user, from a clean checkout. */
async function labAsUser(...words: string[]): Promise<RunResult> {
  await using folder = await temporaryFolder();
  const caches = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  return read(
    await new Deno.Command("unshare", {
      args: [
        ...["--mount", "--propagation", "private", "sh", "-ec", AS_USER, "sh"],
        ...[folder.path, PROJECT, Deno.execPath(), caches],
        ...["run", "-A", "lab/main.ts", ...words],
      ],
      stdin: "null",
    }).output(),
  );
}

/** Fetches what is missing, as the ordinary user cannot write into the cache. */
async function fetchPrograms(bundle: string): Promise<void> {
  const { code, stderr } = await lab(["--engine", "uml", "--with", bundle, "--", "true"]);
  assertEquals(code, 0, stderr);
}

// Only root can become another user.
const ignore = Deno.uid() !== 0;

/** A scenario of each suite, and the programs that it needs. */
const SCENARIOS = [
  ["engines", "netavark", "podman5"],
  ["hosts", "moves@frr", "frr"],
] as const;

for (const [suite, scenario, programs] of SCENARIOS) {
  Deno.test(
    `the scenarios of ${suite} run in the lab of an ordinary user`,
    { ignore },
    async () => {
      await fetchPrograms(programs);
      const { code, stdout, stderr } = await labAsUser(suite, scenario);
      assertEquals(code, 0, stderr + stdout);
      assertMatch(stdout, /^1 of 1 statements held, 1 scenario, /m);
    },
  );
}
