import { buildWorld, toSvg, toText } from "../../../lib/graph/mod.ts";
import { pingAll } from "../../../lib/netlink/ping.ts";
import { nodeOf, type WhyView, World } from "../../../lib/why/mod.ts";
import type { Matrix, Picture } from "../report/entry.ts";
import { ask, lookUntilSettled, prepare, withoutNeighbours } from "./model.ts";

/** The most pairs of a namespace and an address that a matrix is made of. */
const MOST_PAIRS = 1000;

/** The width of the topology as text, in characters. */
const COLUMNS = 100;

/** Takes pictures of the machines of a scenario, and keeps the one with the most ipvlan links. */
export class Camera {
  /** The picture; `undefined` as long as there was no ipvlan link. */
  picture: Picture | undefined;
  #ipvlans = 1;
  #seen = "";

  /** Takes a picture, unless there are fewer ipvlan links than on the last one, or all is the same. */
  async take(at: number): Promise<void> {
    const view = await lookUntilSettled();
    const ipvlans = view.others.flatMap(({ links }) => links)
      .filter(({ info }) => info.type === "ipvlan").length;
    const seen = withoutNeighbours(view);
    if (ipvlans < this.#ipvlans || seen === this.#seen) return;
    [this.#ipvlans, this.#seen] = [ipvlans, seen];
    this.picture = { at, hosts: drawHosts(view), matrix: await makeMatrix(await prepare(view)) };
  }
}

/** Draws each namespace that has ipvlan links on its own links, as the host of a picture. */
function drawHosts(view: WhyView): Picture["hosts"] {
  const world = new World(view);
  const hosts = world.nodes.filter(({ links }) => links.some((link) => world.modeOn(link)));
  return hosts.map((host) => {
    const drawn = buildWorld({
      host: { ...withMainRoutes(host), netns: undefined },
      others: world.nodes.filter((node) => node !== host).map(withMainRoutes),
      closed: view.closed,
    }, []);
    const name = host.netns ?? "the host";
    return { name, svg: toSvg(drawn), text: toText(drawn, COLUMNS) };
  });
}

/** Pictures show the main table only. */
function withMainRoutes<N extends WhyView["host"]>(node: N): N {
  return { ...node, routes: node.routes.filter(({ table }) => table === "main") };
}

/** Asks the model about all pairs, and then pings them. */
async function makeMatrix(view: WhyView): Promise<Matrix | undefined> {
  const world = new World(view);
  const to = view.others.flatMap(({ netns, addrs }) =>
    addrs.filter(({ scope }) => scope === "global")
      .map(({ address }) => ({ netns: netns!, address }))
  );
  const from = [...new Set(to.map(({ netns }) => netns))];
  if (from.length * to.length > MOST_PAIRS) return undefined;
  const pairs = from.map((netns) => to.map(({ address }) => ({ netns, dst: address })));
  const predicted = pairs.map((row) =>
    row.map(({ netns, dst }) => {
      const { verdict, reason } = ask(world, nodeOf(view, netns)!, dst);
      return { verdict, reason };
    })
  );
  const isExpected = predicted.flat().map(({ verdict }) => verdict === "yes");
  const answered = await pingAll(
    pairs.flat().map(({ netns, dst }, index) => ({
      path: `/run/netns/${netns}`,
      dst,
      isExpected: isExpected[index]!,
    })),
  );
  const seen = from.map((_, row) => answered.slice(row * to.length, (row + 1) * to.length));
  return { from, to, predicted, seen };
}
