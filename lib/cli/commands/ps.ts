import type { Command } from "../command.ts";
import { readFormat } from "../format.ts";
import { table } from "../table.ts";

const command: Command = {
  usage: "[OPTIONS]",
  example: "ipvlan ps",
  options: [
    { name: "all", short: "a", help: "also those that a restart took, until they are restored" },
    { name: "quiet", short: "q", help: "print the names alone" },
    { name: "format", value: "FORMAT", help: "table, or json: an object per line" },
    { name: "json", help: "the same as --format json" },
  ],
  words: [0, 0],
  async run(words, { open, print }) {
    const format = readFormat(words);
    await using driver = await open();
    const up = new Set(await driver.runningSandboxes());
    const sandboxes = driver.listSandboxes().filter(({ name }) => words.on("all") || up.has(name));
    const status = (name: string) => up.has(name) ? "up" : "down";
    if (words.on("quiet")) sandboxes.forEach(({ name }) => print(name));
    else if (format === "json") {
      for (const sandbox of sandboxes) {
        print(JSON.stringify({ ...sandbox, status: status(sandbox.name) }));
      }
    } else {
      print(table(
        ["NAME", "CREATED", "STATUS", "NETWORKS"],
        sandboxes.map(({ name, created, endpoints }) => [
          name,
          created.slice(0, 19).replace("T", " "),
          status(name),
          endpoints.map(({ network, ip, ip6 }) =>
            [network, ip, ip6].filter((part) => part !== undefined).join(" ")
          ).join(", "),
        ]),
      ));
    }
    return 0;
  },
};
export default command;
