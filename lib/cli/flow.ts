import { invalidOption } from "../base/errors.ts";
import type { EngineDriver } from "../driver/mod.ts";
import { addressIn, familyOf } from "../ipam/address.ts";
import { lookAround } from "../iproute2/view.ts";
import { netnsOf } from "../iproute2/words.ts";
import { addressOf, type Node, nodeOf, WANTED, type WhyView } from "../why/mod.ts";

/** Who asks whom, in what this machine has. */
export interface FoundFlow {
  view: WhyView;
  node: Node;
  dst: string;
  src?: string;
  /** The one that is asked, with its address if a name was typed. */
  target: string;
}

/** Finds who is meant by FROM (`c1`, `host`, `host:eth0`) and TO (the same, or an address). */
export async function findFlow(
  driver: EngineDriver,
  [from = "", to = ""]: readonly string[],
  signal: AbortSignal,
): Promise<FoundFlow> {
  const sandboxes = driver.listSandboxes();
  const files = sandboxes.flatMap(({ path }) => path ?? []);
  const view = await lookAround(WANTED, { files, signal });
  const find = (name: string): Node | undefined => {
    const path = sandboxes.find((each) => each.name === name)?.path;
    return name === "host" ? view.host : nodeOf(view, path === undefined ? name : netnsOf(path));
  };
  const [, name = from, link] = find(from) ? [] : /^(.*):([^:]+)$/.exec(from) ?? [];
  const node = find(name);
  if (!node) throw invalidOption("name", name, "give host, a sandbox or a network namespace");
  const target = find(to);
  const dst = target ? addressOf(target, node) : addressIn(to);
  if (dst === undefined) {
    throw invalidOption("target", to, "it has no address: give one that has");
  }
  const family = familyOf(dst);
  const src = node.addrs.find((each) => each.dev === link && each.family === family)?.address;
  if (link !== undefined && src === undefined) {
    throw invalidOption("link", link, `give a link of ${name} that has an IPv${family} address`);
  }
  return { view, node, dst, src, target: target ? `${to} (${dst})` : dst };
}
