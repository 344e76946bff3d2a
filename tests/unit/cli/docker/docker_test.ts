import { assert, assertEquals, assertMatch } from "@std/assert";
import { COMMANDS, findCommand } from "../../../../lib/cli/commands.ts";
import { optionsOf } from "../../../../lib/cli/options.ts";
import { refusedCommands, refusedOptions } from "../../../../lib/cli/docker/refused.ts";
import { ipvlan } from "../../../kit/command.ts";
import {
  CONTAINER_COMMANDS,
  DOCKER_COMMANDS,
  DOCKER_OPTIONS,
  NETWORK_COMMANDS,
} from "./options.ts";
import { IpvlanError } from "../../../../lib/base/errors.ts";

/** The options of a command here, with those that are refused. */
async function optionsHere(name: string): Promise<string[]> {
  const command = await findCommand(name)!.load();
  return [...optionsOf(command), ...refusedOptions(name)]
    .flatMap(({ name, short }) => short === undefined ? [name] : [short, name]);
}

for (const [name, words] of Object.entries(DOCKER_OPTIONS)) {
  Deno.test(`every option of docker ${name} works or is explained`, async () => {
    const here = await optionsHere(name);
    const there = words === "" ? [] : words.split(" ");
    assertEquals(there.filter((word) => !here.includes(word)), []);
    assertEquals(here.filter((word, index) => here.indexOf(word) !== index), [], "given twice");
  });
}

Deno.test("every refused option is one of Docker's, and says what to do instead", async () => {
  for (const name of Object.keys(COMMANDS)) {
    for (const { name: option, short, value } of refusedOptions(name)) {
      const there = DOCKER_OPTIONS[name]?.split(" ") ?? [];
      assert(there.includes(option) && there.includes(short ?? option), `${name} --${option}`);
      const words = value === undefined ? [`--${option}`] : [`--${option}`, "x"];
      const { status, err } = await ipvlan(...name.split(" "), ...words, "a", "b");
      assertMatch(err.split("\n")[0]!, RegExp(`^ipvlan: The option --${option} has no use here: `));
      assertEquals(status, name === "run" ? 125 : 2);
    }
  }
});

Deno.test("a refused option takes its value with it, also among letters", async () => {
  for (const words of ["-p 80:80", "-p80:80", "-itp 80:80", "-p 80:80 -p=81:81"]) {
    const { err } = await ipvlan("run", "--net=n", ...words.split(" "), "true");
    assertEquals(err.split("\n").length, 2, err);
    assertMatch(err, /The option -p has no use here: every port of a sandbox is reachable/);
  }
});

Deno.test("every command of Docker's works or is explained", () => {
  const refused = new Map(refusedCommands());
  const isHere = (name: string) => findCommand(name) !== undefined;
  for (const word of DOCKER_COMMANDS.split(" ")) assert(isHere(word) !== refused.has(word), word);
  for (const word of CONTAINER_COMMANDS.split(" ")) {
    const isRefused = refused.has(word) || refused.has(`container ${word}`);
    assert(isHere(`container ${word}`) || isRefused, word);
  }
  for (const word of NETWORK_COMMANDS.split(" ")) assert(isHere(`network ${word}`), word);
});

Deno.test("a refused command says what to do instead, alone and as a container's", async () => {
  for (const [word, why] of refusedCommands()) {
    const [last = "", group] = word.split(" ").reverse();
    const lines = [["container", last, "x"], ...group === undefined ? [[word], [word, "ls"]] : []];
    for (const words of lines) {
      const { status, out, err } = await ipvlan(...words);
      assertEquals([status, out], [2, ""]);
      assert(err.split("\n")[0]!.endsWith(`${last}" has no use here: ${why}`), err);
    }
  }
});

Deno.test("errors have the words that scripts for Docker look for", () => {
  const messages = [
    new IpvlanError("network-not-found", { network: "web", known: [] }),
    new IpvlanError("network-exists", { network: "web" }),
    new IpvlanError("network-in-use", { network: "web", sandboxes: ["c1", "c2"] }),
    new IpvlanError("sandbox-not-found", { sandbox: "c1", known: [] }),
    new IpvlanError("sandbox-exists", { sandbox: "c1", foreign: false }),
    new IpvlanError("not-connected", { sandbox: "c1", network: "web" }),
    new IpvlanError("already-connected", { sandbox: "c1", network: "web" }),
    new IpvlanError("subnet-in-use", {
      subnet: "10.0.0.0/8",
      other: "10.1.0.0/16",
      network: "web",
      parent: "eth0",
    }),
  ].map(({ message }) => message);
  assertEquals(messages.map((message) => message.split(/(?:: )?(?=see |choose |disconnect )/)[0]), [
    "network web not found",
    "network with name web already exists",
    'network web has active endpoints (name:"c1", name:"c2")',
    'There is no sandbox "c1" (No such container: c1)',
    'The sandbox name "c1" is already in use',
    'The sandbox "c1" is not connected to network "web"',
    "endpoint with name c1 already exists in network web",
    "Pool overlaps with other one on this address space: 10.0.0.0/8, and 10.1.0.0/16 of network " +
    '"web" on the same parent "eth0"; ',
  ]);
});
