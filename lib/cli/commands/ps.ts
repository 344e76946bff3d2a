import type { SandboxDetails } from "../../driver/types.ts";
import { endpointAddresses } from "../../ipam/address.ts";
import type { Command } from "../command.ts";
import { listedSandbox, SANDBOX_HEADERS } from "../docker_shape.ts";
import { readSelection, SELECTION_OPTIONS, selectSandboxes } from "../filter.ts";
import { FORMAT_OPTIONS, printList, readFormat } from "../list.ts";

const command: Command = {
  usage: "[OPTIONS]",
  example: "ipvlan ps\nipvlan ps --format '{{.Names}}: {{.Networks}}'",
  options: [
    {
      name: "all",
      short: "a",
      help: "list also sandboxes that a restart has taken down, until they are restored",
    },
    { name: "quiet", short: "q", help: "print only the names" },
    ...SELECTION_OPTIONS,
    ...FORMAT_OPTIONS,
  ],
  positionals: [0, 0],
  async run(args, { open, print }) {
    const format = readFormat(args);
    const selection = readSelection(args);
    await using driver = await open();
    const running = new Set(await driver.runningSandboxes());
    const status = ({ name }: SandboxDetails) => running.has(name) ? "up" : "down";
    const now = Date.now();
    printList(
      selectSandboxes(driver.listSandboxes(), running, selection),
      format,
      {
        key: ({ name }) => name,
        docker: (sandbox) =>
          listedSandbox(sandbox, {
            status: status(sandbox),
            running: running.has(sandbox.name),
            now,
          }),
        headers: SANDBOX_HEADERS,
        columns: {
          NAME: ({ name }) => name,
          CREATED: ({ created }) => created.slice(0, 19).replace("T", " "),
          STATUS: status,
          NETWORKS: ({ endpoints }) =>
            endpoints.map((each) => [each.network, ...endpointAddresses(each)].join(" ")).join(
              ", ",
            ),
        },
      },
      print,
    );
    return 0;
  },
};
export default command;
