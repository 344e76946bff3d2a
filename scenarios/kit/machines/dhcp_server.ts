import { Daemon } from "../engines/daemon.ts";

/** A DHCP server: dnsmasq, in a namespace. */
export class DhcpServer implements AsyncDisposable {
  readonly #daemon: Daemon;
  readonly #leases: string;

  private constructor(daemon: Daemon, leases: string) {
    this.#daemon = daemon;
    this.#leases = leases;
  }

  /** Starts it with a range of addresses, and with the leases in a file. */
  static async start(netns: string, range: string, leases: string): Promise<DhcpServer> {
    const daemon = await Daemon.start([
      ...["ip", "netns", "exec", netns, "dnsmasq", "--keep-in-foreground", "--log-facility=-"],
      ...["--pid-file", "--conf-file=/dev/null", "--user=root", "--port=0", "--log-dhcp"],
      ...["--dhcp-authoritative", "--no-ping", `--dhcp-leasefile=${leases}`],
      `--dhcp-range=${range},2m`,
    ], { ready: /DHCP, IP range/ });
    return new DhcpServer(daemon, leases);
  }

  /** The leases that it has given: each address, by the client's identifier. */
  async leases(): Promise<Record<string, string>> {
    const lines = (await Deno.readTextFile(this.#leases)).trim().split("\n");
    return Object.fromEntries(
      lines.filter(Boolean).map((line) => line.split(" ")).map((words) => [words[4]!, words[2]!]),
    );
  }

  /** Waits until it has logged a message about an address so many times, for at most 10 seconds. */
  async logs(message: string, address: string, times = 1): Promise<void> {
    const isThere = (log: string) => log.split(`${message}(eth0) ${address} `).length > times;
    await this.#daemon.says(isThere, AbortSignal.timeout(10_000));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#daemon.end();
  }
}
