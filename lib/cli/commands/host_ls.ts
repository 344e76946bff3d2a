import type { ListedHost } from "../../driver/mod.ts";
import type { Struct } from "../../template/mod.ts";
import type { Command } from "../command.ts";
import { ETCD_OPTION, readAccess } from "../etcd.ts";
import { FORMAT_OPTIONS, printList, readFormat } from "../docker/list.ts";

/** The table headers of a template's fields. */
const HEADERS: Struct = {
  ID: "HOST ID",
  Name: "NAME",
  Agent: "AGENT",
  Addresses: "ADDRESSES",
  Kept: "KEPT",
  Copies: "COPIES",
  Prefix: "PREFIX",
};

/** Sums a count over all subnets. */
function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** A host as a template and JSON show it. */
function listedHost({ id, name, isAlive, copies, claims, kept, prefix }: ListedHost): Struct {
  return {
    ID: id,
    Name: name,
    Agent: isAlive ? "running" : "silent",
    Addresses: total(claims),
    Kept: total(kept),
    Copies: copies.join(","),
    Prefix: prefix,
  };
}

export default {
  usage: "[OPTIONS]",
  example: "ipvlan host ls\nipvlan host ls --ipam-opt endpoints=https://10.0.0.1:2379",
  options: { "-q, --quiet": "print only the ids", ...ETCD_OPTION, ...FORMAT_OPTIONS },
  asks: true,
  async run(args, { open, print, warn }) {
    const format = readFormat(args);
    const access = readAccess(args);
    await using driver = await open();
    const hosts = await driver.listHosts(access);
    const cell = (name: string) => (host: ListedHost) => String(listedHost(host)[name]);
    const columns = Object.fromEntries(
      Object.entries(HEADERS).map(([name, header]) => [header as string, cell(name)]),
    );
    const listing = {
      key: ({ id }: ListedHost) => id,
      docker: listedHost,
      headers: HEADERS,
      columns,
    };
    printList(hosts, format, listing, print);
    (await driver.damagedKeys(access)).forEach(warn);
    return 0;
  },
} satisfies Command;
