import { linkName } from "../iproute2/words.ts";
import { describeNetns, type Finding, finding, runIp } from "./finding.ts";

/** Flags of an address that cannot be used. They are compared even if the caller names no flags. */
const UNUSABLE = ["tentative", "dadfailed"];

/** An address of a link, such as `192.168.1.2/24`, with its flags: `nodad`, `tentative`, … */
type AddrLine = { address: string; flags: string[] };

/** Reads the addresses in the output of `ip addr show`. */
export function parseAddrLines(printed: string): AddrLine[] {
  return printed.split("\n").flatMap((line) => {
    const [, address, rest] = /^\s+inet6? (\S+)(.*)$/.exec(line) ?? [];
    if (address === undefined) return [];
    // … peer ADDRESS brd ADDRESS scope SCOPE FLAG… LABEL; only IPv4 has a label.
    return [{ address, flags: (rest ?? "").replace(/^.* scope \S+/, "").trim().split(/\s+/) }];
  });
}

/** Whether addresses match the expected ones in any order. Ignores link-local ones unless expected. */
export function matchesAddrs(found: AddrLine[], expected: string[]): boolean {
  const wanted = expected.map((text) => {
    const [address = "", ...flags] = text.split(/\s+/);
    return { address, flags };
  });
  const isWanted = (addr: AddrLine) =>
    wanted.some(({ address, flags }) =>
      address === addr.address &&
      flags.every((flag) => addr.flags.includes(flag)) &&
      UNUSABLE.every((flag) => addr.flags.includes(flag) === flags.includes(flag))
    );
  const counted = found.filter((addr) => !addr.address.startsWith("fe80:") || isWanted(addr));
  return counted.length === wanted.length && counted.every(isWanted);
}

/**
 * Checks that a link has these addresses and no others.
 *
 * An expected address may have flags after it, which the address must have: `2001:db8::1/64 nodad`.
 * An address that is `tentative` or `dadfailed` cannot be used (RFC 4862, section 5.4), so it matches
 * only if the expected address has this flag. Link-local addresses are ignored unless expected.
 */
export async function addressesEqual(
  netns: string | undefined,
  dev: string,
  expected: string[],
): Promise<Finding> {
  const shown = await runIp(netns, "addr", "show", "dev", linkName(dev));
  const addresses = expected.join(", ") || "none";
  return finding(
    `${dev} of ${describeNetns(netns)} has the addresses ${addresses}`,
    shown.success && matchesAddrs(parseAddrLines(shown.output), expected),
    shown,
  );
}
