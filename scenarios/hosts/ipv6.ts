/**
 * Routes by BGP and a sandbox that moves, in IPv6.
 *
 * @module
 */
import { engineScenario, type Scenario } from "../kit/mod.ts";
import { move } from "./moves.ts";
import { announce } from "./routes.ts";

const ipv6: Scenario[] = engineScenario(
  "ipv6",
  "Routes by BGP, and a sandbox that moves with its address, in IPv6",
  [["frr"]],
  async (tour) => {
    await announce(tour, 6, "HOSTS-6");
    await move(tour, 6, "HOSTS-6");
  },
);

export default ipv6;
