import { assertEquals } from "@std/assert";
import { complete } from "../../../lib/cli/help.ts";
import { ipvlan } from "../../kit/command.ts";
import { run } from "../../kit/processes.ts";

const NAMES = {
  NETWORK: () => ["db_net", "web"],
  SANDBOX: () => ["c1", "c2"],
  HOST: () => Promise.resolve(["rack3", "rack4"]),
  LINK: () => Promise.resolve(["eth0", "eth1", "wlan0"]),
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
  [["network", "create", "-o", "parent="], ["parent=eth0", "parent=eth1", "parent=wlan0"]],
  [["network", "create", "--opt", "parent=eth"], ["parent=eth0", "parent=eth1"]],
  [["network", "create", "-o", "ipvlan_mode=l3"], ["ipvlan_mode=l3", "ipvlan_mode=l3s"]],
  [["network", "create", "-o", "mtu="], []],
  [["network", "create", "--nope=parent="], []],
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

/** What bash completes: the line, what it asks for, what it gets, and what it shows. */
const IN_BASH: [line: string, asked: string, found: string[], reply: string[]][] = [
  [
    "ipvlan network create -o parent=e",
    "network create -o parent=e",
    ["parent=eth0", "parent=eth1"],
    ["eth0", "eth1"],
  ],
  ["ipvlan network create -o parent=", "network create -o parent=", ["parent=eth0"], ["eth0"]],
  ["ipvlan run -e A= c", "run -e A= c", ["c1"], ["c1"]],
  ["ipvlan rm ", "rm ", ["c1", "c2"], ["c1", "c2"]],
  ["ipvlan apply deno.js", "apply deno.js", [], ["deno.json"]],
];

for (const [line, asked, found, reply] of IN_BASH) {
  Deno.test(`bash: ${line}<Tab>`, async () => {
    const { out } = await ipvlan("completion", "bash");
    const script = `
      ipvlan() { local IFS=" "; echo "\${*:4}" >&3; [ -z "$FOUND" ] || printf '%s\\n' $FOUND; }
      COMP_LINE=$1 COMP_POINT=\${#1}; eval "$SCRIPT"; _ipvlan 3>&2
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const variables = [`SCRIPT=${out}`, `FOUND=${found.join(" ")}`];
    const { stdout, stderr } = await run("env", ...variables, "bash", "-c", script, "bash", line);
    assertEquals([stderr, stdout.trimEnd().split("\n")], [`${asked}\n`, reply]);
  });
}
