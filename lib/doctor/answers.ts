import { familyOf } from "../ipam/address.ts";
import { atOnce } from "../base/waiting.ts";
import { IpvlanError } from "../base/errors.ts";
import { Ip } from "../iproute2/ip.ts";
import { addressWord, linkName } from "../iproute2/words.ts";
import type { AskedAddress } from "./facts.ts";

/** The owner of an address: see {@linkcode AskedAddress.answer}. */
type Answer = AskedAddress["answer"];

/** The number of concurrent `arping` processes. */
const CONCURRENCY = 32;

/** Longer than the kernel needs to give up on a neighbour with three requests, in milliseconds. */
const TIMEOUT = 4000;
/** How often to poll the neighbour table, in milliseconds. */
const INTERVAL = 100;

/**
 * Asks the segment of a link for the owner of each address. An answer from the link's own MAC
 * address comes from an ipvlan link of this host, and is ignored.
 *
 * For IPv4 it uses `arping -D`, whose requests have no sender address (RFC 5227) and so get an
 * answer from any subnet. For IPv6, or without arping, the kernel resolves the neighbour.
 *
 * @param signal Ends the call: it fails with the signal's reason.
 * @returns The answers, by address.
 */
export async function whoHas(
  dev: string,
  mac: string | undefined,
  addresses: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>();
  const isIPv6 = (address: string) => familyOf(address) === 6;
  await atOnce(CONCURRENCY, addresses.filter((address) => !isIPv6(address)), async (address) => {
    answers.set(address, await arping(dev, address, signal));
  });
  const left = addresses.filter((address) => isIPv6(address) || answers.get(address) === "unknown");
  if (left.length > 0) {
    for (const [address, answer] of await resolve(dev, left, signal)) answers.set(address, answer);
  }
  for (const [address, answer] of answers) {
    if (typeof answer === "object" && answer.mac === mac) answers.set(address, "none");
  }
  return answers;
}

async function arping(dev: string, address: string, signal?: AbortSignal): Promise<Answer> {
  signal?.throwIfAborted();
  try {
    const { stdout } = await new Deno.Command("arping", {
      args: [
        "-D",
        "-f",
        "-c",
        "2",
        "-w",
        "2",
        "-I",
        linkName(dev),
        addressWord(address, "address", 4),
      ],
      stdin: "null",
      stderr: "null",
      signal,
    }).output();
    signal?.throwIfAborted();
    return parseArping(new TextDecoder().decode(stdout));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "unknown";
    throw error;
  }
}

/**
 * Reads the output of `arping -D` of iputils or busybox. The third arping (Habets') has other
 * options, and its output starts differently.
 */
export function parseArping(printed: string): Answer {
  if (!/^ARPING \S+ from 0\.0\.0\.0 /.test(printed)) return "unknown";
  const mac = /^\w+ reply from \S+ \[([0-9A-Fa-f:]+)\]/m.exec(printed)?.[1];
  return mac === undefined ? "none" : { mac: mac.toLowerCase() };
}

/** Lets the kernel resolve neighbours: `ip neigh … use` triggers that without sending data. */
async function resolve(
  dev: string,
  addresses: readonly string[],
  signal?: AbortSignal,
): Promise<Map<string, Answer>> {
  await using ip = await Ip.open();
  const answers = new Map<string, Answer>(addresses.map((address) => [address, "unknown"]));
  // Without a link-local address, the kernel sends no requests, but still reports a failure.
  const own = await ip.addr.show({ dev });
  const canAsk = (address: string) =>
    familyOf(address) === 4 || own.some(({ scope, family }) => scope === "link" && family === 6);
  // Delete old entries, which may be stale, but no static ones.
  const known = await ip.neigh.show({ dev });
  const fixed = known.filter(({ state }) => state === "PERMANENT").map(({ dst }) => dst);
  const asked = addresses.filter((address) => canAsk(address) && !fixed.includes(address));
  const old = known.map(({ dst }) => dst).filter((dst) => asked.includes(dst));
  await Promise.allSettled(old.map((dst) => ip.neigh.del({ dst, dev })));
  const sent = await Promise.allSettled(asked.map(async (address) => {
    await ip.session.change(
      `neigh replace ${addressWord(address, "address")} dev ${linkName(dev)} use`,
    );
    return address;
  }));
  for (const result of sent) {
    // iproute2 before 5.16 does not know `use`.
    if (result.status === "rejected" && !(result.reason instanceof IpvlanError)) {
      throw result.reason;
    }
  }
  const waiting = new Set(sent.flatMap((one) => one.status === "fulfilled" ? one.value : []));
  const deadline = performance.now() + TIMEOUT;
  while (waiting.size > 0 && performance.now() < deadline && !signal?.aborted) {
    for (const { dst, address: mac, state } of await ip.neigh.show({ dev })) {
      if (!waiting.has(dst) || !(mac !== undefined || state === "FAILED")) continue;
      answers.set(dst, mac === undefined ? "none" : { mac });
      waiting.delete(dst);
      await ip.neigh.del({ dst, dev });
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
  // Unresolved entries would stay in the kernel's table.
  await Promise.allSettled([...waiting].map((dst) => ip.neigh.del({ dst, dev })));
  signal?.throwIfAborted();
  return answers;
}
