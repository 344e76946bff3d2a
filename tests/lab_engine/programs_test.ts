// Tests of the programs that the lab brings along, for an ordinary user. `tests/engines` has their
// tests for the user who runs the tests.
import { assertEquals, assertMatch } from "@std/assert";
import { lab, PROJECT, read } from "../kit/lab.ts";
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
touch deno
mount --bind "$project" clone
mount --bind "$deno" deno
mount --bind "\${IPVLAN_LAB_CACHE:-$caches/ipvlan-kit}" cache
chmod 755 .
chown -R 65534:65534 home tmp
cd clone
exec env -i NO_COLOR=1 PATH="$PATH" HOME="$folder/home" TMPDIR="$folder/tmp" \\
  IPVLAN_LAB_CACHE="$folder/cache" setpriv --reuid 65534 --regid 65534 --clear-groups \\
  "$folder/deno" "$@"
`;

Deno.test("Docker 26.1 runs in the lab of an ordinary user", {
  // Only root can become another user.
  ignore: Deno.uid() !== 0,
}, async () => {
  const withDocker = ["--engine", "uml", "--with", "docker26", "--"];
  const { code } = await lab([...withDocker, "true"]); // Fetches what is missing.
  assertEquals(code, 0);
  await using folder = await temporaryFolder();
  const caches = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`;
  const test = [
    "deno",
    "test",
    "-A",
    "--no-check",
    "--cached-only",
    "tests/engines/docker26_test.ts",
  ];
  const { stdout, stderr, ...result } = read(
    await new Deno.Command("unshare", {
      args: [
        ...["--mount", "--propagation", "private", "sh", "-ec", AS_USER, "sh"],
        ...[folder.path, PROJECT, Deno.execPath(), caches],
        ...["run", "-A", "lab/main.ts", ...withDocker, ...test],
      ],
      stdin: "null",
    }).output(),
  );
  assertEquals(result.code, 0, stderr);
  assertMatch(stdout, /^ok \| 1 passed \| 0 failed/m);
});
