import { fileURLToPath } from "node:url";

/** The words that start this very program, wherever it came from. */
export function thisProgram(): string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  const { protocol } = new URL(Deno.mainModule);
  const module = protocol === "file:" ? fileURLToPath(Deno.mainModule) : Deno.mainModule;
  return [Deno.execPath(), "run", "-A", module];
}

/** The variables that say where the state is, and where Deno finds what it has fetched. */
const VARIABLES = ["HOME", "XDG_CACHE_HOME", "DENO_DIR", "IPVLAN_STATE_DIR"];

/**
 * A systemd unit (systemd.service(5)) that restores everything at boot.
 *
 * @param program The words that start `ipvlan`, the first an absolute path.
 * @param env The environment in which it has what it needs.
 */
export function systemdUnit(
  program: readonly string[],
  env: Readonly<Record<string, string>>,
): string {
  const words = [...program, "restore", "--wait", "60"];
  const variables = VARIABLES.filter((name) => env[name]);
  return [
    "[Unit]",
    "Description=ipvlan networks and sandboxes",
    "Wants=network-pre.target",
    "After=network-pre.target systemd-networkd.service NetworkManager.service",
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    ...variables.map((name) => `Environment=${quoted(`${name}=${env[name]}`)}`),
    // Here alone, a dollar sign stands for a variable.
    `ExecStart=${words.map((word) => quoted(word).replaceAll("$", "$$$$")).join(" ")}`,
    "",
    "[Install]",
    "WantedBy=multi-user.target",
  ].join("\n");
}

/** A word of a unit's line: what is special there loses that (systemd.syntax(7), systemd.unit(5)). */
function quoted(word: string): string {
  const text = word.replaceAll("%", "%%");
  if (/^[^\s"'\\]+$/.test(text)) return text;
  return `"${text.replace(/["\\]/g, (special) => `\\${special}`)}"`;
}
