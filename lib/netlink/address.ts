// IP and MAC addresses as the bytes of a message.

/** The numbers of the families (`include/linux/socket.h`). */
export const AF = { 4: 2, 6: 10 } as const;

/** The family of a valid address or prefix, and the bytes and the length of the prefix. */
export function prefixBytes(
  text: string,
): { family: 4 | 6; length: number; bytes: Uint8Array } {
  const [address = "", length] = text.split("/");
  const family = address.includes(":") ? 6 : 4;
  const bytes = addressBytes(address);
  return { family, length: Number(length ?? 8 * bytes.length), bytes };
}

/** The bytes of a valid IP address: 4 or 16. */
export function addressBytes(text: string): Uint8Array {
  if (!text.includes(":")) return Uint8Array.from(text.split("."), Number);
  const groupsOf = (part = "") => part === "" ? [] : part.split(":");
  const [before, after] = plainText(text).split("::").map(groupsOf);
  const zeros = Array(8 - before!.length - (after?.length ?? 0)).fill("0");
  const groups = after ? [...before!, ...zeros, ...after] : before!;
  return Uint8Array.from(groups.flatMap((group) => {
    const value = parseInt(group, 16);
    return [value >>> 8, value & 0xff];
  }));
}

/** An IP address as inet_ntop(3) writes it: RFC 5952, and IPv4 in the last 32 bits if the rest is 0. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const hex = Array.from(
    { length: 8 },
    (_, index) => (bytes[2 * index]! << 8 | bytes[2 * index + 1]!).toString(16),
  );
  const head = hex.slice(0, 6).join(":");
  // `::1.2.3.4` and `::ffff:1.2.3.4`, but `::1` and `::`.
  const isCompatible = head === "0:0:0:0:0:0" && hex[6] !== "0";
  const isMapped = head === "0:0:0:0:0:ffff";
  if (!isCompatible && !isMapped) return plainText(hex.join(":"));
  return `::${isMapped ? "ffff:" : ""}${bytes.subarray(12).join(".")}`;
}

/** Writes a valid IPv6 address as RFC 5952 says, without an IPv4 address in it. */
function plainText(text: string): string {
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

/** The bytes of a hardware address of pairs of digits; `undefined` if the text is another. */
export function macBytes(text: string): Uint8Array | undefined {
  if (!/^[\da-f]{1,2}(:[\da-f]{1,2})*$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(":"), (pair) => parseInt(pair, 16));
}

/** The types of tunnels, whose hardware addresses are IP addresses (`include/uapi/linux/if_arp.h`). */
const [TUNNEL, TUNNEL6, SIT, IPGRE, IP6GRE] = [768, 769, 776, 778, 823];

/** The hardware address of a link of a type (`ARPHRD_*`), as `ip` prints it. */
export function hardwareAddress(bytes: Uint8Array, type: number): string {
  const isIPv4 = bytes.length === 4 && [TUNNEL, SIT, IPGRE].includes(type);
  const isIPv6 = bytes.length === 16 && [TUNNEL6, IP6GRE].includes(type);
  if (isIPv4 || isIPv6) return addressText(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}
