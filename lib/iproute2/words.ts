import { isIP } from "node:net";
import { InvalidWordError } from "./errors.ts";

/** The longest prefix of each address family. */
const LENGTH: Record<number, number> = { 4: 32, 6: 128 };

/** The longest link name: `IFNAMSIZ` (16) less the closing NUL (`include/uapi/linux/if.h`). */
export const LINK_NAME_MAX = 15;

/**
 * A value as one word of a batch line, quoted where it has to be.
 *
 * `ip -batch` reads a line as words; a word may be quoted with `'` or `"`, but there is no escape
 * inside quotes, and `#` starts a comment even there (`makeargs` and `getcmdline` in iproute2's
 * `lib/utils.c`). What cannot be written is refused, never changed.
 *
 * @throws {InvalidWordError} The value is empty, or has a `#`, a backslash, a control character,
 * or both kinds of quotes.
 */
export function word(value: string, what: string): string {
  if (value === "") throw new InvalidWordError(what, value, "it is empty");
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f#\\]/.test(value)) {
    throw new InvalidWordError(what, value, "it has a control character, a # or a backslash");
  }
  if (!/[\s'"]/.test(value)) return value;
  const quote = ['"', "'"].find((mark) => !value.includes(mark));
  if (!quote) throw new InvalidWordError(what, value, "it has both kinds of quotes");
  return quote + value + quote;
}

/**
 * A link name as the kernel takes it: 1 to 15 bytes, no `/`, no `:`, no white space, neither `.`
 * nor `..` (`dev_valid_name` in `net/core/dev.c`), no `%` (which asks for a numbered name), and no
 * `-` at the start, which `ip` reads as an option.
 *
 * @throws {InvalidWordError} The name is none.
 */
export function linkName(value: string, what = "link name"): string {
  if (new TextEncoder().encode(value).length > LINK_NAME_MAX) {
    throw new InvalidWordError(what, value, `it is longer than ${LINK_NAME_MAX} bytes`);
  }
  if (value === "." || value === ".." || value.startsWith("-") || /[/:%\s]/.test(value)) {
    throw new InvalidWordError(
      what,
      value,
      'it is "." or "..", starts with "-", or has white space or one of / : %',
    );
  }
  return word(value, what);
}

/**
 * A network namespace's name: one that is a plain file name under `/run/netns` and cannot be taken
 * for an option or for a process id (`ip` tries a number as a process id).
 *
 * @throws {InvalidWordError} The name is none.
 */
export function netnsName(value: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(value) || value.length > 255 || /^\d+$/.test(value)) {
    throw new InvalidWordError(
      "network namespace name",
      value,
      "letters, digits, and _ . - after the first are allowed, and not digits alone",
    );
  }
  return value;
}

/**
 * A whole number in a range, as a word.
 *
 * @throws {InvalidWordError} The number is no whole number or outside the range.
 */
export function wholeNumber(value: number, what: string, least: number, most: number): string {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new InvalidWordError(what, String(value), `a whole number from ${least} to ${most}`);
  }
  return String(value);
}

/**
 * One of several words.
 *
 * @throws {InvalidWordError} The value is none of them.
 */
export function oneOf(value: string, what: string, choices: readonly string[]): string {
  if (!choices.includes(value)) {
    throw new InvalidWordError(what, value, `one of ${choices.join(", ")}`);
  }
  return value;
}

/**
 * An address or a prefix, as a word. It is only kept from being anything but an address here:
 * `ip` ends its process over a malformed one, and with it the session.
 *
 * @throws {InvalidWordError} The value does not look like an address or a prefix.
 */
export function addressWord(value: string, what: string): string {
  const [address = "", length, more] = value.split("/");
  const family = address.includes("%") ? 0 : isIP(address);
  if (
    family === 0 || more !== undefined ||
    (length !== undefined && !(/^\d{1,3}$/.test(length) && Number(length) <= LENGTH[family]!))
  ) {
    throw new InvalidWordError(what, value, "an IPv4 or IPv6 address, or a prefix");
  }
  return value;
}
