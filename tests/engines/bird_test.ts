// Tests of BIRD in a guest of the lab.
import { assert } from "@std/assert";
import { advert } from "../../lib/driver/model/advertise.ts";
import { makeHostSteps } from "../../lib/driver/network/host_steps.ts";
import { routingConfig } from "../../lib/driver/model/routing_config.ts";
import { Bird } from "../../scenarios/kit/hosts/bird.ts";
import { freshNetns } from "../kit/worlds.ts";

Deno.test("BIRD 2.0 learns the routes that ipvlan advertises, and no others", async () => {
  await using host = await freshNetns();
  const { ip } = host;
  await ip.link.set("lo", { up: true });
  const config = `router id 192.0.2.1;\n${routingConfig("bird", { neighbors: [] })}`;
  await using bird = await Bird.start(host.name, config);
  const other = { type: "unreachable", dst: "10.99.0.0/24", protocol: 99 } as const;
  await ip.route.add(other);
  const steps = makeHostSteps([
    advert("cover", "10.1.0.0/24"),
    advert("cover", "fd01::/64"),
    advert("address", "10.1.0.5/32"),
    advert("address", "fd01::5/128"),
    advert("subnet", "10.2.0.0/24"),
  ]);
  for (const { line } of steps) await ip.session.change(line);
  // BIRD reads the changes in their order, and the last one is there.
  let shown = "";
  while (!shown.includes("10.2.0.0/24")) shown = await bird.show("show", "route");
  for (const dst of ["10.1.0.5/32", "fd01::5/128"]) assert(shown.includes(dst), shown);
  for (const dst of ["10.1.0.0/24", "fd01::/64", other.dst]) assert(!shown.includes(dst), shown);
});
