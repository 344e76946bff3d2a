import { Driver } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { lookInto } from "../../lib/iproute2/view.ts";
import { COMPARED, essence, filesOf } from "./driver_kit.ts";

/** What the kernel shows in a sandbox, but for indexes, carriers, and what random MAC addresses decide. */
export async function seeSandbox(name: string): Promise<unknown> {
  const { links, addrs, routes } = await lookInto(name, COMPARED);
  return {
    links: links.map((
      {
        index: _,
        address: _address,
        link: _link,
        linkIndex: _linkIndex,
        linkNetnsid: _id,
        ...link
      },
    ) => link),
    addrs: addrs.filter(({ scope }) => scope !== "link"),
    routes: routes.filter(({ dst }) => dst !== "fe80::/64")
      .map(({ flags: _, ...route }) => route),
  };
}

/**
 * What there is in the kernel, on record and in the hosts files, without what is new each time that
 * the same is made: two worlds that are the same to a user are equal.
 */
export async function seeWorld(): Promise<unknown> {
  await using ip = await Ip.open();
  await using driver = await Driver.open();
  const [links, routes, names] = await Promise.all([
    ip.link.show(),
    ip.route.show(4),
    ip.netns.list(),
  ]);
  const sandboxes = driver.listSandboxes();
  return {
    links: links.map(essence),
    routes,
    namespaces: Object.fromEntries(
      await Promise.all(names.sort().map(async (name) => [name, await seeSandbox(name)])),
    ),
    networks: driver.listNetworks().map(({ id: _id, created: _created, ...network }) => network),
    sandboxes: sandboxes.map(({ created: _created, ...sandbox }) => sandbox),
    processes: Object.fromEntries(
      await Promise.all(
        sandboxes.map(async ({ name }) => [name, (await driver.processes(name)).length]),
      ),
    ),
    files: filesOf("/etc/netns"),
  };
}
