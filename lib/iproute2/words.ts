import { attempt, IpvlanError, type IpvlanErrorOf } from "../base/errors.ts";

/** The longest link name: `IFNAMSIZ` (16) less the closing NUL (`include/uapi/linux/if.h`). */
export const LINK_NAME_MAX = 15;

/** Makes the error for a value that cannot be a word of an `ip` line. */
export function invalidWord(
  what: string,
  value: string,
  rule: string,
): IpvlanErrorOf<"invalid-word"> {
  return new IpvlanError("invalid-word", { what, value, rule });
}

/**
 * Writes a value as one word of a batch line, with quotes if it needs them.
 *
 * `ip -batch` reads a line as words; a word may be quoted with `'` or `"`, but there is no escape
 * inside quotes, and `#` starts a comment even there (`makeargs` and `getcmdline` in iproute2's
 * `lib/utils.c`). A value that cannot be written like this is refused, never changed.
 */
export function word(value: string, what: string): string {
  if (value === "") throw invalidWord(what, value, "it is empty");
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f#\\]/.test(value)) {
    throw invalidWord(what, value, "it has a control character, a # or a backslash");
  }
  if (!value.isWellFormed()) {
    throw invalidWord(what, value, "it has half a surrogate pair, which UTF-8 cannot encode");
  }
  if (!/[\s'"]/.test(value)) return value;
  const quote = ['"', "'"].find((mark) => !value.includes(mark));
  if (!quote) throw invalidWord(what, value, "it has both kinds of quotes");
  return quote + value + quote;
}

/**
 * Checks a link name as the kernel does: 1 to 15 bytes, no `/`, no `:`, no white space, neither `.`
 * nor `..` (`dev_valid_name` in `net/core/dev.c`), no `%` (which asks for a numbered name), and no
 * `-` at the start, which `ip` reads as an option. The kernel treats the byte 0xa0, the Latin-1
 * no-break space, as white space (`lib/ctype.c`), even inside a UTF-8 character such as `à`.
 */
export function linkName(value: string, what = "link name"): string {
  const bytes = new TextEncoder().encode(value);
  if (bytes.length > LINK_NAME_MAX) {
    throw invalidWord(what, value, `it is longer than ${LINK_NAME_MAX} bytes`);
  }
  if (bytes.includes(0xa0)) {
    throw invalidWord(what, value, "the kernel takes its byte 0xa0 for white space");
  }
  if (value === "." || value === ".." || value.startsWith("-") || /[/:%\s]/.test(value)) {
    const rule = 'it is "." or "..", starts with "-", or has white space or one of / : %';
    throw invalidWord(what, value, rule);
  }
  return word(value, what);
}

export function indexNumber(value: number): string {
  return wholeNumber(value, "link index", 1, 0x7fff_ffff);
}

/**
 * Writes the index of a link as the name by which `ip` finds it. `ip` takes `if5` and `if05` for the link
 * with the index 5, unless a link has that name (`ll_name_to_index` in its `lib/ll_map.c`).
 *
 * The zeros make it longer than any link name. Then `ip` 5.5 and later does not ask the kernel for a link
 * of that name (SIOCGIFINDEX), for which the kernel would start `modprobe` (`dev_load` in
 * `net/core/dev_ioctl.c`) and wait longer than a removal takes.
 */
export function linkIndex(value: number): string {
  return `if${indexNumber(value).padStart(24, "0")}`;
}

/**
 * Checks a namespace's name: a plain file name under `/run/netns`, which `ip` takes neither for an
 * option nor for a process id. (If no namespace has the name, `ip link` takes a number, also a
 * hexadecimal one, for a process id.) @throws {"invalid-word"} No namespace can have it.
 */
export function netnsName(value: string): string {
  const number = /^(\d+|0x[0-9a-f]+)$/i.test(value);
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(value) || value.length > 255 || number) {
    const rule =
      "letters, digits, and _ . - after the first are allowed, and it may not be a number";
    throw invalidWord("network namespace name", value, rule);
  }
  return value;
}

/** Checks a namespace's file: `/proc/806/ns/net`. @throws {"invalid-word"} It is no full path. */
export function netnsPath(value: string): string {
  const folders = value.split("/").slice(1);
  const isPlain = /^(\/[A-Za-z0-9_.@+=:-]{1,255})+$/.test(value);
  if (!isPlain || value.length > 4000 || folders.some((name) => name === "." || name === "..")) {
    const rule =
      "an absolute path is needed, of letters, digits, and _ . @ + = : - between the slashes";
    throw invalidWord("network namespace file", value, rule);
  }
  return value;
}

/** Whether a text is the path of a file that {@linkcode netnsPath} takes. */
export function isNetnsPath(value: string): boolean {
  return attempt(() => netnsPath(value)).ok;
}

const NETNS_FOLDER = "/run/netns";

/** The path from there to the root folder. */
const TO_ROOT = "../..";

/** The path of a namespace's file as `ip -n` takes it, which joins it to `/run/netns`. */
export function fromNetnsFolder(path: string): string {
  return TO_ROOT + path;
}

/** The name of a namespace in a view, by the path of its file: that in `/run/netns`, if it has one. */
export function netnsOf(path: string): string {
  return /^(?:\/var)?\/run\/netns\/([^/]+)$/.exec(path)?.[1] ?? fromNetnsFolder(path);
}

/**
 * Makes a command of sh(1) that enters a namespace with `ip -n`. To enter it by a path, `ip` needs
 * `/run/netns`, which exists only once a namespace has had a name.
 */
export function withNetnsFolder(netns: string | undefined, command: string): string {
  const make = `[ -d ${NETNS_FOLDER} ] || mkdir -p -m 755 ${NETNS_FOLDER} 2> /dev/null`;
  return isFromRoot(netns ?? "") ? `${make}; ${command}` : command;
}

/** The file that a word after `ip -n` leads to: a name, or a path from `/run/netns`. */
export function pathToEnter(value: string): string {
  if (isFromRoot(value)) netnsPath(fileOf(value));
  else netnsName(value);
  return fileOf(value);
}

/** The same of any file in `/run/netns`, whatever its name. The folder need not exist for a path. */
export function fileOf(value: string): string {
  return isFromRoot(value) ? value.slice(TO_ROOT.length) : `${NETNS_FOLDER}/${value}`;
}

function isFromRoot(value: string): boolean {
  return value.startsWith(`${TO_ROOT}/`);
}

/** Checks a namespace to make or move a link in: its name, or the absolute path of its file. */
export function netnsTarget(value: string): string {
  return value.startsWith("/") ? netnsPath(value) : netnsName(value);
}

/** Writes a whole number in a range as a word. @throws {"invalid-word"} It is not in the range. */
export function wholeNumber(value: number, what: string, least: number, most: number): string {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw invalidWord(what, String(value), `a whole number from ${least} to ${most}`);
  }
  return String(value);
}

/** Writes a value that `ip` knows by name (`/etc/iproute2`) or by a decimal number: `main`, `254`. */
export function nameOrNumber(
  value: string | number,
  what: string,
  most: number,
  least = 0,
): string {
  if (typeof value === "number" || /^(0|[1-9]\d*)$/.test(value)) {
    return wholeNumber(Number(value), what, least, most);
  }
  if (/^(?=.*[a-z])(?!0x)\w[\w.-]*$/i.test(value)) return String(value);
  throw invalidWord(what, value, `a name, or a whole number from ${least} to ${most}`);
}

/** Checks that a value is one of several words. @throws {"invalid-word"} It is none. */
export function oneOf(value: string, what: string, choices: readonly string[]): string {
  if (!choices.includes(value)) {
    throw invalidWord(what, value, `one of ${choices.join(", ")}`);
  }
  return value;
}

/**
 * Checks an address without a prefix length, of a family if one is given. A malformed one would end
 * the `ip` process, and the session with it. @throws {"invalid-word"} It is none.
 */
export function addressWord(value: string, what: string, family?: 4 | 6): string {
  const found = value.includes("/") ? undefined : addressFamily(value);
  if (found === undefined || (family !== undefined && found !== family)) {
    throw invalidWord(what, value, `an IPv${family ?? "4 or IPv6"} address`);
  }
  return value;
}

/**
 * Checks an address or a prefix, of a family if one is given. The prefix length must not start with a
 * zero: `ip` would read it as octal. @throws {"invalid-word"} It is neither.
 */
export function prefixWord(value: string, what: string, family?: 4 | 6): string {
  const [address = "", length = "0", more] = value.split("/");
  const found = addressFamily(address);
  if (
    found === undefined || (family !== undefined && found !== family) || more !== undefined ||
    !/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > (found === 6 ? 128 : 32)
  ) {
    throw invalidWord(what, value, `an IPv${family ?? "4 or IPv6"} address, or a prefix`);
  }
  return value;
}

/** An IPv4 address: four numbers up to 255 without leading zeros. */
const IPV4 = /^(?:(?:25[0-5]|(?:2[0-4]|1\d|[1-9]|)\d)(?:\.(?!$)|$)){4}$/;

/** The family of an address or a prefix; `undefined` if the value is neither. */
export function addressFamily(value: string): 4 | 6 | undefined {
  const [address = ""] = value.split("/");
  if (IPV4.test(address)) return 4;
  // Not `isIP` of `node:net`: to load it takes 15 ms.
  return /^[\d.:a-f]+$/i.test(address) && URL.canParse(`http://[${address}]`) ? 6 : undefined;
}

/** A destination as `ip` prints it: a single address without its length, and `default` for all. */
export function printedDestination(dst: string): string {
  const [, address = dst, length] = /^(.*)\/(\d+)$/.exec(dst) ?? [];
  if (length === "0") return "default";
  return length === (addressFamily(dst) === 6 ? "128" : "32") ? address : dst;
}
