import type { SeenSandbox } from "../../driver/types.ts";
import { endpointAddresses } from "../../ipam/address.ts";
import type { Command } from "../command.ts";
import { listedSandbox, SANDBOX_HEADERS } from "../docker_shape.ts";
import { readSelection, SELECTION_OPTIONS, selectSandboxes } from "../filter.ts";
import { FORMAT_OPTIONS, printList, readFormat } from "../list.ts";

/** An endpoint in half a line. Says what is wrong with it, if there is something. */
function endpointText(endpoint: SeenSandbox["endpoints"][number]): string {
  const { network, state } = endpoint;
  const words = [network, ...endpointAddresses(endpoint)];
  if (state !== "up") words.push(`(${state})`);
  return words.join(" ");
}

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
    const seen = await driver.seeSandboxes();
    const running = new Set(
      seen.filter(({ state }) => state !== "down").map(({ name }) => name),
    );
    const now = Date.now();
    printList(
      selectSandboxes(seen, running, selection),
      format,
      {
        key: ({ name }) => name,
        docker: (sandbox) =>
          listedSandbox(sandbox, { status: sandbox.state, running: sandbox.state !== "down", now }),
        headers: SANDBOX_HEADERS,
        columns: {
          NAME: ({ name }) => name,
          CREATED: ({ created }) => created.slice(0, 19).replace("T", " "),
          STATUS: ({ state }) => state,
          NETWORKS: ({ endpoints }) => endpoints.map(endpointText).join(", "),
        },
      },
      print,
    );
    return 0;
  },
};
export default command;
