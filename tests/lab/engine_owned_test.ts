// What belongs to an engine, as the command shows it and leaves it alone.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { EngineDriver, settle } from "../../lib/driver/mod.ts";
import type { Owner } from "../../mod.ts";
import { attach, detach } from "../../lib/engine/attachment.ts";
import { engineNamespace } from "../kit/borrowed.ts";
import { doctor, ipvlan, succeeds } from "../kit/command.ts";
import { commandHost, siteFile } from "../kit/worlds.ts";
import { assertRejectsError } from "../kit/errors.ts";

const CONTAINER = "8fb5d13892e3".padEnd(64, "0");
const SANDBOX = `cni:${CONTAINER}`;
const owner = (id: string): Owner => ({ engine: "cni", id });

const SITE = `
networks:
  web:
    parent: eth0
    subnets: [192.168.30.0/24]
sandboxes:
  c1:
    networks: [web]
`;

Deno.test("what engines own is shown with its owner, and changed by them alone", async () => {
  await using host = await commandHost();
  await using driver = await EngineDriver.open();
  await using place = await engineNamespace();
  const connection = { ifname: "eth0" };
  const spec = { name: SANDBOX, owner: owner(CONTAINER), path: place.path, connection };
  const subnets = ["192.168.20.0/24"];
  const lan = { name: "cni:lan", owner: owner("lan"), parent: "eth0.20", subnets };
  await attach(driver, settle({ ...lan, transient: true }), spec);
  // A network of an engine without a container on it, as Docker has them.
  const id = "3e458d0718ee".padEnd(64, "0");
  const docker = { engine: "docker" as const, id };
  const free = {
    name: "docker:3e458d0718ee",
    owner: docker,
    parent: "eth0",
    subnets: ["10.9.0.0/24"],
  };
  await driver.createNetwork(free);
  await succeeds("network", "create", "--subnet", "192.168.1.0/24", "-o", "parent=eth0", "own");
  const before = await host.dump();

  assertMatch(await succeeds("network", "ls"), /^\w+ +cni:lan .* CNI lan$/m);
  assertMatch(
    await succeeds("network", "ls"),
    /^\w+ +docker:3e458d0718ee .* Docker 3e458d0718ee$/m,
  );
  assertMatch(
    await succeeds("ps"),
    /^cni:8fb5.* up .* cni:lan 192.168.20.2\/24 +CNI 8fb5d13892e3$/m,
  );
  assertStringIncludes(await succeeds("inspect", SANDBOX), `"Id": "${CONTAINER}"`);
  const picture = await succeeds("graph");
  assertMatch(picture, /cni:lan {2}l2 bridge/);
  assertMatch(picture, /─ cni:8fb5d13892e30+ eth0 {2}192.168.20.2\/24$/m);
  assertEquals((await doctor()).filter((line) => /state folder|cni|docker/.test(line)), []);

  const refused: [words: string[], line: string][] = [
    [["network", "rm", "docker:3e458d0718ee"], "docker network rm 3e458d0718ee"],
    [["network", "rm", "cni:lan"], "remove the containers or pods on it"],
    [["rm", "--force", SANDBOX], "remove the container or pod 8fb5d13892e3"],
    [["stop", SANDBOX], "remove the container or pod 8fb5d13892e3"],
    [["kill", SANDBOX], "remove the container or pod 8fb5d13892e3"],
    [["network", "connect", "own", SANDBOX], "belongs to CNI"],
    [["network", "disconnect", "cni:lan", SANDBOX], "belongs to CNI"],
    [["run", "-d", "--net", "docker:3e458d0718ee"], "belongs to Docker"],
    [["attach", "--pid", "1", "cni:lan"], "belongs to CNI"],
  ];
  for (const [words, line] of refused) {
    const { status, err } = await ipvlan(...words);
    assertEquals(status !== 0, true, words.join(" "));
    assertStringIncludes(err, line);
  }
  for (const make of ["createSandbox", "adoptSandbox"] as const) {
    const connections = [{ network: "own" }];
    await assertRejectsError(() => driver[make]({ name: SANDBOX, connections }), "invalid-name");
  }
  assertEquals(await host.dump(), before);
  assertEquals(await succeeds("network", "prune", "--force"), "Deleted Networks:\nown");
  assertEquals(driver.listNetworks().map(({ name }) => name), ["cni:lan", "docker:3e458d0718ee"]);

  await using file = await siteFile(SITE);
  const owned = await host.dump();
  assertEquals((await ipvlan("apply", "--yes", file.path)).status, 0);
  const exported = await ipvlan("export");
  assertEquals(exported.out.includes("cni:") || exported.out.includes("docker:"), false);
  assertStringIncludes(exported.err, "left out, 3 in all");
  assertEquals((await ipvlan("destroy", "--yes", file.path)).status, 0);
  assertEquals(await host.dump(), owned);
  await detach(driver, SANDBOX, "eth0");
  await driver.removeNetwork("docker:3e458d0718ee");
});
