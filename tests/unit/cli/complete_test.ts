import { assertEquals } from "@std/assert";
import { complete } from "../../../lib/cli/complete.ts";

const NAMES = {
  networks: () => ["db_net", "web"],
  sandboxes: () => ["c1", "c2"],
  hosts: () => Promise.resolve(["rack3", "rack4"]),
};

const CASES: [typed: string[], completed: string[]][] = [
  [["netw"], ["network"]],
  [["network", "c"], ["connect", "create"]],
  [["network", "create", "--sub"], ["--subnet"]],
  [["network", "create", "--dry"], ["--dry-run"]],
  [["docker", "serve", "--ip"], ["--ipam-opt"]],
  [["docker", "install", "--ip"], ["--ipam-opt"]],
  [["network", "rm", ""], ["db_net", "web"]],
  [["network", "rm", "web", "d"], ["db_net"]],
  [["network", "connect", ""], ["db_net", "web"]],
  [["network", "connect", "web", ""], ["c1", "c2"]],
  [["network", "connect", "--ip", "192.168.1.9", "web", ""], ["c1", "c2"]],
  [["run", "--rm", "--net", "w"], ["web"]],
  [["exec", "c"], ["c1", "c2"]],
  [["host", "rm", ""], ["rack3", "rack4"]],
  [["host", "rm", "--yes", "rack3", "rack4"], ["rack4"]],
  [["export", ""], ["c1", "c2", "db_net", "web"]],
  [["completion", ""], ["bash", "fish", "zsh"]],
  [["network", "create", "--subnet", ""], []],
  [["nope", ""], []],
];

for (const [typed, completed] of CASES) {
  Deno.test(`ipvlan ${typed.join(" ")}<Tab>`, async () => {
    assertEquals(await complete(typed, NAMES), completed);
  });
}
