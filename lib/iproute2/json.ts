/**
 * Parses a line of JSON from `ip` or `bridge`. They print the control characters in a link's name or
 * alias as they are (`jsonw_puts` in iproute2's `lib/json_writer.c`), which JSON does not allow
 * (RFC 8259, section 7).
 *
 * @throws {SyntaxError} It is no JSON.
 */
export function parseJson(line: string): unknown {
  return JSON.parse(line.replace(/\p{Cc}/gu, (character) => {
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    return `\\u${code}`;
  }));
}
