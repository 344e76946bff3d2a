// The settings of a sandbox besides its networks: host name, extra names, name servers, sysctls.
import { type Addresses, endpointAddresses } from "../../ipam/address.ts";
import type { RunProgram } from "../../iproute2/shell.ts";
import { statOf } from "../../base/files.ts";
import type { SandboxSettings } from "../model/types.ts";
import { sysctlPath } from "../model/settings.ts";
import { IpvlanError } from "../../base/errors.ts";

/** Renders a `resolv.conf` (resolv.conf(5)). Settings left out are those of the machine's own file. */
export function renderResolvConf(
  machine: string,
  { servers, search, options }: NonNullable<SandboxSettings["dns"]>,
): string {
  const lines = machine.split("\n").map((line) => line.trim());
  const own = (...keywords: string[]) =>
    lines.filter((line) => keywords.includes(line.split(/\s+/)[0]!));
  const domains = search?.filter((domain) => domain !== ".");
  return [
    MARK,
    ...servers?.map((server) => `nameserver ${server}`) ?? own("nameserver"),
    ...domains === undefined
      ? own("search", "domain")
      : domains.length > 0
      ? [`search ${domains.join(" ")}`]
      : [],
    ...options === undefined ? own("options") : [`options ${options.join(" ")}`],
    "",
  ].join("\n");
}

/** The lines of a hosts file that only one sandbox has: its host name, and its extra names. */
export function ownHostLines(
  { hostname, hosts = [] }: SandboxSettings,
  endpoints: readonly Addresses[],
): string[] {
  const own = hostname === undefined ? [] : endpoints.flatMap(endpointAddresses);
  return [
    ...own.map((address) => `${address} ${hostname}`),
    ...hosts.map(({ name, address }) => `${address} ${name}`),
  ];
}

/** The first line of each file that the driver writes. It does not change other files. */
const MARK = "# Written by ipvlan-kit; changes will be lost";

/** Wraps the words of a command so that it runs with a host name, in its own UTS namespace. */
export function withHostname(hostname: string | undefined, words: readonly string[]): string[] {
  if (hostname === undefined) return [...words];
  const script = 'echo "$0" >/proc/sys/kernel/hostname && exec "$@"';
  return ["unshare", "--uts", "sh", "-c", script, hostname, ...words];
}

interface KeeperOptions {
  run: RunProgram;
  /** Called with each command that changes something, before it runs. */
  report?: (command: string) => void;
  isRehearsal: boolean;
}

export class SettingsKeeper {
  /** @param folder Where `ip netns exec NAME` finds the files that it mounts over those of `/etc`. */
  constructor(private readonly options: KeeperOptions, private readonly folder = "/etc/netns") {}

  /** Applies settings in an existing namespace. @throws {"sysctl"} @throws {"resolv-conf"} */
  async apply(name: string, { dns, sysctls }: SandboxSettings): Promise<void> {
    const { run, report, isRehearsal } = this.options;
    if (dns !== undefined && !isRehearsal) {
      // `cat` reads it, so that a script needs no permission for the file.
      const { out } = await run("cat /etc/resolv.conf", []);
      const text = renderResolvConf(out.join("\n"), dns);
      explain(name, () => writeResolvConf(`${this.folder}/${name}`, text));
    }
    for (const [key, value] of Object.entries(sysctls ?? {})) {
      report?.(`ip netns exec ${name} sysctl -w '${key}=${value}'`);
      if (isRehearsal) continue;
      // A shell and not sysctl(8), which small systems lack.
      const line = `ip netns exec ${name} sh -c 'echo "${value}" >/proc/sys/${sysctlPath(key)}'`;
      const { code, err } = await run(line, []);
      if (code === 0) continue;
      const reason = err.join("; ");
      throw new IpvlanError("sysctl", { netns: name, keys: [key], value, reason });
    }
  }

  /** Removes what `apply` has written. @throws {"resolv-conf"} The file cannot be removed. */
  remove(name: string): void {
    if (this.options.isRehearsal) return;
    explain(name, () => removeResolvConf(`${this.folder}/${name}`));
  }
}

function explain(sandbox: string, change: () => void): void {
  try {
    change();
  } catch (cause) {
    throw new IpvlanError("resolv-conf", { sandbox, reason: (cause as Error).message }, { cause });
  }
}

/** Writes a `resolv.conf` into a sandbox's folder, unless there is one that the driver did not write. */
export function writeResolvConf(folder: string, text: string): void {
  const path = `${folder}/resolv.conf`;
  Deno.mkdirSync(folder, { recursive: true });
  if (!isOurs(path) && statOf(path)) return;
  Deno.writeTextFileSync(path, text);
  // Any program in the sandbox may read it, whatever the umask.
  Deno.chmodSync(path, 0o644);
}

export function removeResolvConf(folder: string): void {
  const path = `${folder}/resolv.conf`;
  if (isOurs(path)) Deno.removeSync(path);
}

function isOurs(path: string): boolean {
  return statOf(path) !== undefined && Deno.readTextFileSync(path).startsWith(MARK);
}
