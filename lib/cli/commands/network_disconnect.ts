import type { Command } from "../command.ts";

const command: Command = {
  usage: "NETWORK SANDBOX",
  example: "ipvlan network disconnect ipvlan20 nginx",
  options: [],
  words: [2, 2],
  changes: true,
  async run(words, { open }) {
    const [network = "", sandbox = ""] = words.words;
    await using driver = await open();
    await driver.disconnect(network, sandbox);
    return 0;
  },
};
export default command;
