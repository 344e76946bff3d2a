// A view as it will be when something in it has failed.
import { nodeOf } from "./fix.ts";
import { type Port, type WhyView, World } from "./world.ts";

/**
 * A copy of a view in which a link has been set down, or a namespace deleted with all its links;
 * `undefined` if there is none.
 *
 * @param netns The namespace; `undefined` for the host's.
 * @param dev The link; left out, the whole namespace.
 * @param release The kernel's, as `uname -r` prints it.
 */
export function without(
  view: WhyView,
  { netns, dev }: { netns?: string; dev?: string },
  release: string,
): WhyView | undefined {
  const copy = structuredClone(view);
  const world = new World(copy);
  const lost = nodeOf(copy, netns);
  const links = lost?.links.filter(({ name }) => (dev ?? name) === name) ?? [];
  if (!lost || links.length === 0 || dev === undefined && netns === undefined) return undefined;
  const [major = 0, minor = 0] = release.split(".").map(Number);
  // Since Linux 6.10, ipvlan links have no carrier while their parent is down (`ipvlan_device_event`).
  const hasEvent = major > 6 || major === 6 && minor >= 10;
  const fail = ({ node, link }: Port, how: "unplugged" | "down" | "deleted") => {
    const { name, master, info } = link;
    const [isDown, isGone] = [how !== "unplugged", how === "deleted"];
    if (isGone ? !node.links.includes(link) : !link.flags.includes(isDown ? "UP" : "LOWER_UP")) {
      return;
    }
    link.up &&= !isDown;
    link.flags = link.flags.filter((flag) => flag !== "LOWER_UP" && !(isDown && flag === "UP"));
    // IPv4 keeps an address and the route to it as long as it has the link (`fib_sync_down_dev`).
    const stays = (each: { dev?: string; family: 4 | 6; type?: string }) =>
      each.dev !== name || !isDown ||
      !isGone && each.family === 4 && (each.type ?? "local") === "local";
    node.addrs = node.addrs.filter(stays);
    node.routes = node.routes.filter(stays);
    node.neighs = node.neighs.filter(({ dev }) => dev !== name || !isDown);
    node.links = node.links.filter((each) => each !== link || !isGone);
    for (const { dev, type, flags } of node.routes) {
      if (dev === name && type !== "local") flags.push("linkdown");
    }
    for (const each of world.above(link)) {
      const { type } = each.link.info;
      if (isGone || isDown && type === "vlan") fail(each, how);
      else if (isDown ? type !== "ipvlan" || hasEvent && info.type !== "dummy" : type !== "veth") {
        fail(each, "unplugged");
      }
    }
    // A bridge has no carrier if no port of it has.
    const ports = node.links.filter((each) => each.master === master);
    const bridge = node.links.find((each) => each.name === master && each.info.type === "bridge");
    if (bridge && !ports.some(({ flags }) => flags.includes("LOWER_UP"))) {
      fail({ node, link: bridge }, "unplugged");
    }
  };
  for (const link of links) fail({ node: lost, link }, dev === undefined ? "deleted" : "down");
  copy.others = copy.others.filter((each) => dev !== undefined || each !== lost);
  return copy;
}
