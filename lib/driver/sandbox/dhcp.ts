// The DHCP clients of endpoints: for each, a process of busybox's `udhcpc` in its sandbox. A client
// renews a lease and says what it is, in a folder for each endpoint. It changes nothing itself.
import { resolve } from "node:path";
import { attempt, IpvlanError } from "../../base/errors.ts";
import { statOf, unlessMissing } from "../../base/files.ts";
import { sayIfLong, untilClosed, type WaitOptions, Watch } from "../../base/waiting.ts";
import { addressIn, familyOf } from "../../ipam/address.ts";
import { formatPrefix, parsePrefix } from "../../ipam/mod.ts";
import { isOnLink } from "../model/routes.ts";
import type { Network } from "../model/types.ts";
import { LOCK_FD } from "../run/namespaces.ts";
import type { EndpointRecord } from "../store/records.ts";
import { startApart } from "./background.ts";
import type { Processes } from "./processes.ts";

/** What a DHCP server has given to an endpoint, as it is on record. */
export interface Lease extends Required<Pick<EndpointRecord, "ip" | "prefixLengths">> {
  /** The next hop of its default route; `undefined` for none that its link reaches. */
  gateway?: string;
}

/** The lease and the server that a client has written; no lease if it cannot be used. */
export function readLease(text: string): { lease?: Lease; server?: string } {
  const [address = "", server = "", router = ""] = text.split("\n");
  const parsed = attempt(() => ({ ...parsePrefix(address), ip: address.split("/")[0]! }));
  if (!parsed.ok || !/^[\d.]+\/\d+$/.test(address)) return {};
  const { ip, prefix } = parsed.value;
  const subnets = [{ subnet: formatPrefix(prefix) }];
  const near = (other: string) => {
    const found = attempt(() => addressIn(other));
    const isNear = found.ok && familyOf(other) === 4 && isOnLink(other, subnets);
    return isNear ? found.value : undefined;
  };
  const gateway = near(router);
  const lease = { ip, prefixLengths: { [ip]: prefix.length }, ...gateway && { gateway } };
  return { lease, server: near(server) };
}

export function hasLease(endpoint: EndpointRecord, { ip, prefixLengths, gateway }: Lease): boolean {
  return endpoint.ip === ip && endpoint.prefixLengths?.[ip] === prefixLengths[ip] &&
    endpoint.gateway === gateway;
}

/** What the client runs when a lease has begun, was renewed, or has ended: see `udhcpc --help`. */
const SCRIPT = `#!/bin/sh
cd "\${0%/*}" || exit
case $1 in
  bound | renew) printf '%s\\n' "$ip/$mask" "$serverid" "\${router%% *}" >new && mv new lease ;;
  deconfig) rm -f lease ;;
esac
`;

/**
 * Starts the client. Arguments: the process id of this driver, the folder, the sandbox, the options. It
 * has a file of the folder open as long as it runs, by which drivers find it. It checks that its driver
 * still runs after that, so none starts when the next driver has looked for it.
 */
const START = `
exec ${LOCK_FD}<>"$2/client"
[ "$PPID" = "$1" ] && kill -0 "$1" || exit
sandbox=$3
shift 3
if command -v udhcpc; then set -- udhcpc "$@"
elif busybox udhcpc --help; then set -- busybox udhcpc "$@"
else exit 127
fi >/dev/null 2>&1
exec ip netns exec "$sandbox" "$@"
`;

/** How long a client may take to give back its lease and end, in milliseconds. */
const PATIENCE = 1000;

interface ClientsOptions extends WaitOptions {
  folder: string;
  processes: Processes;
  /** Called with each command that changes something, before it runs. */
  report?: (command: string) => void;
  isRehearsal: boolean;
}

export class DhcpClients {
  constructor(private readonly options: ClientsOptions) {}

  /**
   * Returns the lease of an endpoint. Starts a client unless one runs, and waits for the server. It
   * asks for the address on record, by an identifier that no other endpoint has: all links of a parent
   * have one MAC address. A dry run starts none, and has no lease.
   *
   * @param timeout How long to wait, in seconds.
   * @throws {"program-not-found"} There is no client.
   * @throws {"no-lease"} No server has given an address in time.
   */
  async obtain(
    endpoint: EndpointRecord,
    { name: network, parent }: Pick<Network, "name" | "parent">,
    timeout: number,
  ): Promise<ReturnType<typeof readLease>> {
    const { isRehearsal, signal, waiting } = this.options;
    const folder = this.#folderOf(endpoint);
    const client = await this.#runs(endpoint) ? undefined : await this.#start(endpoint);
    if (isRehearsal) return this.leaseOf(endpoint);
    using _notice = sayIfLong(waiting, () => `Waiting for a DHCP server on "${parent}"`, 1000);
    using watch = new Watch(folder);
    const deadline = performance.now() + timeout * 1000;
    for (;;) {
      const found = this.leaseOf(endpoint);
      if (found.lease) return found;
      const status = client?.status;
      if (status === 127) throw new IpvlanError("program-not-found", { program: "udhcpc" });
      if (status !== undefined || performance.now() > deadline) {
        const reason = status === undefined
          ? `no server answered on "${parent}" for ${timeout} s: check the server, the cable and the VLAN`
          : `the DHCP client ended with status ${status}`;
        throw new IpvlanError("no-lease", { network, sandbox: endpoint.sandbox, reason });
      }
      await watch.next(signal);
    }
  }

  /** The last lease of an endpoint that its client has written, and the server that gave it. */
  leaseOf(endpoint: EndpointRecord): ReturnType<typeof readLease> {
    const path = `${this.#folderOf(endpoint)}/lease`;
    return readLease(unlessMissing(() => Deno.readTextFileSync(path)) ?? "");
  }

  async problemsOf(endpoint: EndpointRecord): Promise<string[]> {
    const { ifname, ip } = endpoint;
    if (!await this.#runs(endpoint)) return [`No DHCP client renews the lease of ${ifname}`];
    const { lease } = this.leaseOf(endpoint);
    if (lease && hasLease(endpoint, lease)) return [];
    const given = lease ? `address ${lease.ip}` : "no address";
    return [`The DHCP server gives ${ifname} ${given} instead of ${ip}`];
  }

  /** The processes that are clients of endpoints, or run what these start. */
  async pids(endpoints: readonly EndpointRecord[]): Promise<number[]> {
    const { processes } = this.options;
    const files = endpoints.map((endpoint) => `${this.#folderOf(endpoint)}/client`);
    return (await Promise.all(files.map((file) => processes.holding(file)))).flat();
  }

  /**
   * Ends the clients of those endpoints that have one. Each first gives back its lease, while its link
   * is still there. Only then it gets the signal to end: a process may take the later one of two pending
   * signals first. A client that does not end is killed.
   */
  async release(endpoints: readonly EndpointRecord[]): Promise<void> {
    const { processes, report, isRehearsal } = this.options;
    const own = endpoints.filter((endpoint) => statOf(this.#folderOf(endpoint)));
    await Promise.all(own.map(async (endpoint) => {
      const pids = await this.pids([endpoint]);
      const folder = this.#folderOf(endpoint);
      const hasEnded = async () => (await this.pids([endpoint])).length === 0;
      const steps = [
        ["SIGUSR2", "lease", () => !statOf(`${folder}/lease`)],
        ["SIGTERM", "client", hasEnded],
      ] as const;
      for (const [signal, file, isDone] of steps) {
        pids.forEach((pid) => report?.(`kill -s ${signal.slice("SIG".length)} ${pid}`));
        if (isRehearsal || pids.length === 0) continue;
        await processes.kill(pids, signal);
        const limit = { signal: AbortSignal.timeout(PATIENCE) };
        await untilClosed(`${folder}/${file}`, isDone, limit).catch(() => {});
      }
      if (isRehearsal) return;
      await processes.kill(await this.pids([endpoint]));
      unlessMissing(() => Deno.removeSync(folder, { recursive: true }));
    }));
  }

  #folderOf({ id }: EndpointRecord): string {
    return resolve(this.options.folder, "dhcp", id);
  }

  async #runs(endpoint: EndpointRecord): Promise<boolean> {
    const pids = await this.pids([endpoint]);
    // One that an earlier namespace of its sandbox has kept does not count.
    const inside = pids.length > 0 ? await this.options.processes.in(endpoint.sandbox) : [];
    return pids.some((pid) => inside.includes(pid));
  }

  /** Starts a client. The result gets its exit status when it has ended. */
  async #start(endpoint: EndpointRecord): Promise<{ status?: number }> {
    const { report, isRehearsal } = this.options;
    const { id, sandbox, ifname, ip } = endpoint;
    const folder = this.#folderOf(endpoint);
    const words = [
      ...["-f", "-B", "-A", "5", "-x", `0x3d:ff${id}`, "-i", ifname, "-s", `${folder}/script`],
      ...ip === undefined ? [] : ["-r", ip],
    ];
    report?.(["ip", "netns", "exec", sandbox, "udhcpc", ...words].join(" "));
    if (isRehearsal) return {};
    await this.options.processes.kill(await this.pids([endpoint]));
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    unlessMissing(() => Deno.removeSync(`${folder}/lease`));
    Deno.writeTextFileSync(`${folder}/script`, SCRIPT, { mode: 0o700 });
    const child = startApart("sh", ["-c", START, "sh", `${Deno.pid}`, folder, sandbox, ...words]);
    const client: { status?: number } = {};
    child.status.then(({ code }) => client.status = code);
    return client;
  }
}
