// The names that `ip` prints for the kernel's numbers.
import { textOf } from "../base/files.ts";
import { isGranted } from "../base/permissions.ts";

/** The names that `ip` knows without a file, by what they name. */
const KNOWN = {
  group: { 0: "default" },
  rt_tables: { 0: "unspec", 253: "default", 254: "main", 255: "local" },
  rt_scopes: { 0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere" },
  rt_protos: {
    ...{ 0: "unspec", 1: "redirect", 2: "kernel", 3: "boot", 4: "static", 8: "gated", 9: "ra" },
    ...{ 10: "mrt", 11: "zebra", 12: "bird", 13: "dnrouted", 14: "xorp", 15: "ntk", 16: "dhcp" },
    ...{ 18: "keepalived", 42: "babel", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip" },
    192: "eigrp",
  },
} satisfies Record<string, Record<number, string>>;

/** What has names: a file in `/etc/iproute2`. */
export type Named = keyof typeof KNOWN;

/** The folders of those files: the administrator's, and those of the package, newer and older. */
const FOLDERS = ["/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2"];

const tables = new Map<Named, Map<number, string>>();

/** The name of a number; the number if it has none. */
export function nameOf(what: Named, number: number): string {
  const known: Readonly<Record<number, string>> = KNOWN[what];
  return known[number] ?? tableOf(what).get(number) ?? String(number);
}

/** The number of a name, or of digits; `undefined` if nothing has the name. */
export function numberOf(what: Named, name: number | string): number | undefined {
  if (/^\d+$/.test(String(name))) return Number(name);
  const all = [...Object.entries(KNOWN[what]), ...tableOf(what)];
  const found = all.find(([, each]) => each === name);
  return found && Number(found[0]);
}

/** The names in the file, if this process may read one. */
function tableOf(what: Named): Map<number, string> {
  const known = tables.get(what);
  if (known) return known;
  const paths = FOLDERS.map((folder) => `${folder}/${what}`)
    .filter((path) => isGranted({ name: "read", path }));
  const lines = paths.map(textOf).find(Boolean) ?? "";
  const rows = [...lines.matchAll(/^\s*(\d+|0x[\da-f]+)\s+([^\s#]+)/gim)];
  const table = new Map(rows.map(([, number, name]) => [Number(number), name!]));
  tables.set(what, table);
  return table;
}
