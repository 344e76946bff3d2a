import type { ListedHost } from "../../driver/mod.ts";
import type { Command } from "../command.ts";
import { ETCD_OPTION, readAccess } from "../option_values.ts";
import { type Fields, FORMAT_OPTIONS, printList, readFormat } from "../docker/list.ts";
import { agrees } from "../ask.ts";
import { forEachName } from "../errors.ts";

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

const FIELDS: Fields<ListedHost> = {
  ID: ({ id }) => id,
  Name: ({ name }) => name,
  Agent: ({ isAlive }) => isAlive ? "running" : "silent",
  Addresses: ({ claims }) => total(claims),
  Kept: ({ kept }) => total(kept),
  Copies: ({ copies }) => copies.join(","),
  Prefix: ({ prefix }) => prefix,
};

export const ls: Command = {
  usage: "[OPTIONS]",
  example: "ipvlan host ls\nipvlan host ls --ipam-opt endpoints=https://10.0.0.1:2379",
  options: { "-q, --quiet": "print only the ids", ...ETCD_OPTION, ...FORMAT_OPTIONS },
  asks: true,
  async run(args, { open, print, warn }) {
    const format = readFormat(args);
    const access = readAccess(args);
    await using driver = await open();
    const hosts = await driver.listHosts(access);
    const listing = { key: ({ id }: ListedHost) => id, fields: FIELDS, headers: { ID: "HOST ID" } };
    printList(hosts, format, listing, print);
    (await driver.damagedKeys(access)).forEach(warn);
  },
};

export const rm: Command = {
  usage: "[OPTIONS] HOST [HOST...]",
  example: "ipvlan host rm --yes rack3",
  options: {
    "-y, --yes": "do not ask first",
    "-f, --force": "also a host that may still run: switch it off first",
    ...ETCD_OPTION,
  },
  asks: true,
  async run(args, context) {
    const { open, print } = context;
    const access = readAccess(args);
    const names = args.positionals.join(", ");
    const question = `Free all addresses of ${names}, which must be gone for good?`;
    if (!await agrees(args, context, "yes", question)) return 1;
    await using driver = await open();
    return await forEachName(args.positionals, context, async (host) => {
      for (const { id, name, freed } of await driver.removeHost(host, access, args.on("force"))) {
        print(`${name} (${id}): ${freed.length} address(es) are free`);
      }
      (await driver.damagedKeys(access)).forEach(context.warn);
    });
  },
};
