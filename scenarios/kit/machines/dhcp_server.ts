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

  /** Its log. */
  get log(): string {
    return this.#daemon.log;
  }

  /** Waits until it has logged a message about an address so many times. */
  async logs(message: string, address: string, times = 1): Promise<void> {
    const count = () => this.#daemon.log.split(`${message}(eth0) ${address} `).length - 1;
    for (let tries = 0; tries < 500 && count() < times; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (count() < times) throw new Error(`No ${message} of ${address}:\n${this.#daemon.log}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#daemon.end();
  }
}
