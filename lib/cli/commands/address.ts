import type { Network, ReservedAddress } from "../../driver/mod.ts";
import type { Command } from "../command.ts";
import { type Fields, FORMAT_OPTIONS, printList, readFormat } from "../docker/list.ts";
import { requireOwn } from "../own.ts";

type Row = ReservedAddress & { network: string };

const FIELDS: Fields<Row> = {
  Network: ({ network }) => network,
  Name: ({ name }) => name,
  Address: ({ address }) => address,
};

export function addressesIn(reservations: Network["reservations"] = []): string {
  return reservations.map(({ address }) => address).join(" ");
}

export const reserve: Command = {
  usage: "[OPTIONS] NETWORK SANDBOX [ADDRESS]",
  example: "ipvlan address reserve ipvlan20 db 192.168.20.10\nipvlan address reserve ipvlan20 web",
  changes: true,
  async run(args, { open, print, dryRun }) {
    const [network = "", name = "", address] = args.positionals;
    await using driver = await open();
    requireOwn(driver, { networks: [network] });
    const made = await driver.reserveAddress(network, name, address);
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
    const names = args.positionals;
    const networks = names.length > 0
      ? names.map((name) => driver.inspectNetwork(name))
      : driver.listNetworks();
    const rows = networks.flatMap(({ name: network, reservations = [] }) =>
      reservations.map((each): Row => ({ network, ...each }))
    );
    const key = ({ address }: Row) => address;
    printList(rows, format, { key, fields: FIELDS, headers: {} }, print);
  },
};
