/** Makes and removes what advertises, and dies before a line: `driver_advertise_child.ts HOST FOLDER N`. */
import { EngineDriver } from "../../lib/driver/mod.ts";
import { dyingAt } from "./driver_child.ts";

const [host, stateDir, n] = Deno.args;
await using driver = await EngineDriver.open({ host, stateDir }, dyingAt(Number(n)));
const routed = { parent: "eth0", mode: "l3" } as const;
await driver.createNetwork({
  ...{ name: "whole", advertise: "subnet", ...routed },
  subnets: ["10.1.0.0/24", "fd01::/64"],
});
await driver.createNetwork({
  ...{ name: "each", advertise: "address", ...routed },
  subnets: ["10.3.0.0/24", "fd03::/64"],
});
await driver.createSandbox({ name: "c1", connections: [{ network: "each" }] });
await driver.createSandbox({ name: "c2", connections: [{ network: "whole" }] });
await driver.connect("each", "c2");
await driver.disconnect("each", "c2");
await driver.removeSandbox("c1");
await driver.removeNetwork("each");
