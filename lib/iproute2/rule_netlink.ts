// Routing rules in netlink messages: plain ones are added, deleted and read as `ip rule` does. The
// numbers are those of `include/uapi/linux/fib_rules.h` of the kernel.
import { addressBytes, AF } from "../netlink/address.ts";
import { ERRNO, unlessErrno } from "../netlink/libc.ts";
import { type Reader, u32, VERB_FLAGS, type Writer } from "../netlink/message.ts";
import { nameOf, numberOf } from "../netlink/names.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { NeedsProgram, type Send } from "./runner.ts";

const RTM = { add: 32, del: 33, GETRULE: 34 } as const;

const FRA = { DST: 1, SRC: 2, PRIORITY: 6, SUPPRESS_PREFIXLEN: 14, TABLE: 15, PROTOCOL: 21 };

const KNOWN: readonly number[] = Object.values(FRA);

/** The bytes of `struct fib_rule_hdr`, the action of a lookup, and no suppressed prefix length. */
const [FIXED, LOOKUP, NONE] = [12, 1, 0xffff_ffff];

/** Adds or deletes a rule that looks up a table by a source; `undefined` if only `ip` can. */
export function sendRule(
  verb: "add" | "del",
  rule: { src?: string; priority?: number; table?: number | string },
  family: 4 | 6,
): Send | undefined {
  const { src, priority, table } = rule;
  const isPlain = Object.entries(rule).every(([name, value]) =>
    value === undefined || ["family", "src", "priority", "table"].includes(name)
  );
  const number = table === undefined ? undefined : numberOf("rt_tables", table);
  if (!isPlain || src === undefined || number === undefined) return undefined;
  const [address = "", length = family === 6 ? 128 : 32] = src.split("/");
  return (socket) =>
    socket.change({
      type: RTM[verb],
      flags: VERB_FLAGS[verb],
      write: (writer) => {
        writer.u8(family === 6 ? AF.INET6 : AF.INET).u8(0).u8(Number(length)).u8(0);
        writer.u8(number < 256 ? number : 0).u8(0).u8(0).u8(LOOKUP).u32(0);
        writer.attribute(FRA.SRC, addressBytes(address));
        if (priority !== undefined) writer.attribute(FRA.PRIORITY, u32(priority));
        if (number >= 256) writer.attribute(FRA.TABLE, u32(number));
      },
    });
}

/** Reads the rules of a family as the rows that `ip` prints. @throws {NeedsProgram} One is not plain. */
export function readRules(socket: NetlinkSocket, family: 4 | 6): Record<string, unknown>[] {
  const number = family === 6 ? AF.INET6 : AF.INET;
  const request = {
    type: RTM.GETRULE,
    write: (writer: Writer) => writer.u32(number).u32(0).u32(0),
  };
  const read = (body: Reader) => body.u8(0) === number ? row(body, family) : undefined;
  // A kernel without IPv6 has no rules of it.
  return unlessErrno([ERRNO.EOPNOTSUPP], () => socket.list(request, read)) ?? [];
}

function row(body: Reader, family: 4 | 6): Record<string, unknown> {
  const attributes = body.after(FIXED);
  const suppressed = attributes.get(FRA.SUPPRESS_PREFIXLEN)?.u32() ?? NONE;
  const isPlain = [...attributes.all()].every(([type]) => KNOWN.includes(type)) &&
    suppressed === NONE && body.u8(7) === LOOKUP && body.u8(3) === 0 && body.u32(8) === 0;
  if (!isPlain) throw new NeedsProgram();
  const prefix = (type: number, length: number, name: "src" | "dst") => ({
    ...attributes.get(type) && { [name]: attributes.get(type)!.ip() },
    ...length < (family === 6 ? 128 : 32) && length > 0 && { [`${name}len`]: length },
  });
  return {
    priority: attributes.get(FRA.PRIORITY)?.u32() ?? 0,
    ...prefix(FRA.SRC, body.u8(2), "src"),
    ...prefix(FRA.DST, body.u8(1), "dst"),
    table: nameOf("rt_tables", attributes.get(FRA.TABLE)?.u32() ?? body.u8(4)),
    ...attributes.get(FRA.PROTOCOL) &&
      { protocol: nameOf("rt_protos", attributes.get(FRA.PROTOCOL)!.u8(0)) },
  };
}
