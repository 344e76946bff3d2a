import type { Command } from "../command.ts";
import { ENDPOINT_OPTIONS, readEndpoint } from "../endpoint.ts";

const command: Command = {
  usage: "[OPTIONS] NETWORK SANDBOX",
  example: "ipvlan network connect --ip 192.168.20.10 --alias web ipvlan20 nginx",
  options: ENDPOINT_OPTIONS,
  words: [2, 2],
  changes: true,
  async run(words, { open, warn }) {
    const [network = "", sandbox = ""] = words.words;
    await using driver = await open();
    const { notices } = await driver.connect(network, sandbox, readEndpoint(words));
    notices.forEach(warn);
    return 0;
  },
};
export default command;
