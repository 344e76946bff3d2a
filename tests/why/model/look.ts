import { Ip } from "../../../lib/iproute2/ip.ts";
import { runnerIn } from "../../../lib/iproute2/netlink_runner.ts";
import { lookAround } from "../../../lib/iproute2/view.ts";
import type { NamespaceView } from "../../../lib/iproute2/view_types.ts";
import { openLibc } from "../../../lib/netlink/libc.ts";
import { inNamespace } from "../../../lib/netlink/namespace.ts";
import type { Node, WhyView } from "./world.ts";

/** The settings that decide where packets go, as paths under `/proc/sys`. A `*` stands for each link. */
const SYSCTLS = [
  "net/ipv4/icmp_echo_ignore_all",
  ...["forwarding", "rp_filter", "arp_ignore", "accept_local"]
    .map((name) => `net/ipv4/conf/*/${name}`),
  "net/ipv6/icmp/echo_ignore_all",
  "net/ipv6/conf/*/forwarding",
];

/** Looks into the namespace of the caller and into all that have a name, by netlink. */
export async function lookAtAll(isWanted: (netns: string) => boolean): Promise<WhyView> {
  const wanted = { links: true, addrs: true, routes: "all", rules: true } as const;
  const { host, others, closed } = await lookAround(wanted);
  const some = others.filter(({ netns }) => isWanted(netns!));
  return { host: await withRest(host), others: await Promise.all(some.map(withRest)), closed };
}

async function withRest(view: Omit<NamespaceView, "neighs" | "sysctls">): Promise<Node> {
  const { libc: netlink } = openLibc();
  const { netns } = view;
  const run = () => Promise.reject(new Error("there is no netlink"));
  const ip = new Ip(runnerIn({ netlink, netns, force: false, run }));
  const read = () =>
    Object.fromEntries(
      SYSCTLS.flatMap(pathsOf).map((
        path,
      ) => [path, Number(Deno.readTextFileSync(`/proc/sys/${path}`))]),
    );
  const sysctls = netns === undefined
    ? read()
    : inNamespace(netlink!, `/run/netns/${netns}`, netns, read);
  return { ...view, neighs: await ip.neigh.show(), sysctls };
}

function pathsOf(pattern: string): string[] {
  const [folder, name] = pattern.split("/*/");
  if (name === undefined) return [pattern];
  return Array.from(
    Deno.readDirSync(`/proc/sys/${folder}`),
    (link) => `${folder}/${link.name}/${name}`,
  );
}
