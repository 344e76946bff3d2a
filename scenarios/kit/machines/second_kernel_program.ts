/**
 * The program of a second guest: it executes the calls of the first guest, until it is killed.
 *
 * @module
 */
import { Ip } from "../../../lib/iproute2/ip.ts";
import { answerCalls } from "./calls.ts";
import { withIpvlan } from "../engines/machine.ts";
import { type HostName, startHostOnWire } from "../hosts/pool_world.ts";
import { type HostNumber, LocalRoutedHost } from "../hosts/routed_host.ts";
import {
  CONTROL_ADDRESSES,
  type KernelFacts,
  plugWire,
  readKernelFacts,
  setUpControl,
} from "./wire.ts";

/** The methods that the first guest can call. */
class SecondKernelProgram {
  readonly #ip: Ip;
  #host: AsyncDisposable | undefined;

  /** Makes it over `ip` in this namespace. */
  constructor(ip: Ip) {
    this.#ip = ip;
  }

  facts(): Promise<KernelFacts> {
    return readKernelFacts();
  }

  now(): number {
    return performance.now();
  }

  async startPoolHost(name: HostName): Promise<void> {
    this.#host = await startHostOnWire(this.#ip, name);
  }

  async startRoutedHost(number: HostNumber): Promise<void> {
    const plug = (netns: string) => plugWire(this.#ip, netns, "eth0");
    this.#host = await LocalRoutedHost.start(number, this.#ip, plug);
  }

  /** Calls a method of the host. */
  callHost(method: string, args: unknown[]): unknown {
    const methods = this.#host as unknown as Record<string, (...args: unknown[]) => unknown>;
    return methods[method]!(...args);
  }

  async endHost(): Promise<void> {
    await this.#host![Symbol.asyncDispose]();
  }
}

if (import.meta.main) {
  await using ip = await Ip.open();
  await using _ipvlan = await withIpvlan();
  await setUpControl(ip, CONTROL_ADDRESSES.second);
  const program = new SecondKernelProgram(ip);
  const { second: hostname, port } = CONTROL_ADDRESSES;
  using listener = Deno.listen({ hostname, port });
  for await (const { readable, writable } of listener) {
    await answerCalls(program, readable, writable);
  }
}
