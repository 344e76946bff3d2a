import { engineOf } from "../../driver/model/names.ts";
import type { SeenSandbox } from "../../driver/model/types.ts";
import { containerNames } from "../../engine/docker/api.ts";
import { shortName } from "../../engine/owners.ts";
import type { Command } from "../command.ts";
import { sandboxFields } from "../docker/shape.ts";
import { readSelection, SELECTION_OPTIONS } from "../docker/filter.ts";
import { FORMAT_OPTIONS, type Listing, printList, readFormat } from "../docker/list.ts";
import { sandboxColumns } from "../tables.ts";

export default {
  usage: "[OPTIONS]",
  example: "ipvlan ps\nipvlan ps --format '{{.Names}}: {{.Networks}}'",
  options: {
    "-a, --all": "list also sandboxes that a restart has taken down, until they are restored",
    "-q, --quiet": "print only the names",
    ...SELECTION_OPTIONS,
    ...FORMAT_OPTIONS,
  },
  asks: true,
  async run(args, { open, print }) {
    const format = readFormat(args);
    const select = readSelection(args);
    await using driver = await open();
    const seen = await driver.seeSandboxes();
    const sandboxes = select(seen);
    const name = ({ name }: SeenSandbox) => args.on("no-trunc") ? name : shortName(name);
    const asks = format.kind === "table" && seen.some(({ name }) => engineOf(name) === "docker");
    const listing: Listing<SeenSandbox> = {
      key: ({ name }) => name,
      fields: sandboxFields(Date.now()),
      headers: { ID: "SANDBOX ID", RunningFor: "CREATED" },
      columns: sandboxColumns(sandboxes, name, asks ? await containerNames() : new Map()),
    };
    printList(sandboxes, format, listing, print);
  },
} satisfies Command;
