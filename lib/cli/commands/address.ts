import type { Network, ReservedAddress } from "../../driver/mod.ts";
import { invalidOption } from "../../base/errors.ts";
import type { Command } from "../command.ts";
import { durationOf } from "../docker/filter.ts";
import { type Fields, FORMAT_OPTIONS, printList, readFormat } from "../docker/list.ts";
import { requireOwn } from "../errors.ts";

type Row = ReservedAddress & { network: string };

const FIELDS: Fields<Row> = {
  Network: ({ network }) => network,
  Name: ({ name }) => name,
  Address: ({ address }) => address,
  Until: ({ until = "" }) => until,
};

export function addressesIn(reservations: Network["reservations"] = []): string {
  return reservations.map(({ address }) => address).join(" ");
}

export const reserve: Command = {
  usage: "[OPTIONS] NETWORK SANDBOX [ADDRESS]",
  example: "ipvlan address reserve ipvlan20 db 192.168.20.10\nipvlan address reserve ipvlan20 web",
  options: { "--for TIME": "its end, such as 24h or 30m; only for a network in etcd" },
  changes: true,
  async run(args, { open, print, dryRun }) {
    const [network = "", name = "", address] = args.positionals;
    const time = args.value("for");
    const seconds = time === undefined ? undefined : durationOf(time) / 1000;
    if (Number.isNaN(seconds)) throw invalidOption("time", time!, "give it such as 24h or 1h30m");
    await using driver = await open();
    requireOwn(driver, { networks: [network] });
    const made = await driver.reserveAddress(network, name, address, seconds);
    if (!dryRun) print(addressesIn(made));
  },
};

export const release: Command = {
  usage: "[OPTIONS] NETWORK SANDBOX",
  example: "ipvlan address release ipvlan20 db",
  changes: true,
  async run(args, { open, print, dryRun }) {
    const [network = "", name = ""] = args.positionals;
    await using driver = await open();
    const gone = await driver.releaseReservations(network, name);
    if (!dryRun) print(addressesIn(gone));
  },
};

export const ls: Command = {
  usage: "[OPTIONS] [NETWORK...]",
  example: "ipvlan address ls\nipvlan address ls ipvlan20",
  options: { "-q, --quiet": "print only the addresses", ...FORMAT_OPTIONS },
  async run(args, { open, print }) {
    const format = readFormat(args);
    await using driver = await open();
    const rows = await driver.listReservations(args.positionals);
    const key = ({ address }: Row) => address;
    printList(rows, format, { key, fields: FIELDS, headers: {} }, print);
  },
};
