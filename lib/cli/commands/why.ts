import { addressIn, familyOf } from "../../ipam/address.ts";
import { invalidOption } from "../../base/errors.ts";
import type { EngineDriver } from "../../driver/mod.ts";
import { lookAround } from "../../iproute2/view.ts";
import { netnsOf } from "../../iproute2/words.ts";
import { addressOf, explain, nodeOf, toText, WANTED } from "../../why/mod.ts";
import type { Answer, WhyView } from "../../why/mod.ts";
import type { Command } from "../command.ts";

const STATUSES = { yes: 0, no: 1, leaves: 3, unknown: 3 } as const;

export default {
  usage: "[OPTIONS] FROM TO",
  example: `ipvlan why c1 c2
ipvlan why c1 192.168.1.250
ipvlan why host:eth0 c1
ipvlan why c1 c2 --size 9000`,
  options: {
    "--size BYTES":
      "ask with a packet of this size that may not be cut into parts; default: a small one",
    "--json": "print an object with verdict, there, back and fix",
  },
  asks: true,
  statuses: [
    ["0", "it is reached"],
    ["1", "it is not, or an error"],
    ["2", "misuse"],
    ["3", "that is not known: the packet leaves what is in view, or is treated in an unknown way"],
  ],
  async run(args, { open, print, interrupted: signal }) {
    const bytes = args.value("size") ?? "0";
    const size = /^\d+$/.test(bytes) ? Number(bytes) : Infinity;
    if (size > 65535) {
      throw invalidOption("size", bytes, "give the bytes of a packet, at most 65535");
    }
    await using driver = await open();
    const { view: _, text, ...answer } = await askWhy(driver, args.positionals, { size, signal });
    print(args.on("json") ? JSON.stringify(answer, null, 4) : text);
    return STATUSES[answer.verdict];
  },
} satisfies Command;

/** Asks whether FROM (`c1`, `host`, `host:eth0`) reaches TO (the same, or an address). */
export async function askWhy(
  driver: EngineDriver,
  [from = "", to = ""]: readonly string[],
  { size, signal }: { size?: number; signal: AbortSignal },
): Promise<Answer & { view: WhyView; text: string; from: string; to: string; fix?: string }> {
  const sandboxes = driver.listSandboxes();
  const files = sandboxes.flatMap(({ path }) => path ?? []);
  const view = await lookAround(WANTED, { files, signal });
  const find = (name: string) => {
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
  const { fix, ...answer } = await explain(view, node, { dst, src, size });
  const text = toText(answer, { from, to: target ? `${to} (${dst})` : dst, fix });
  return { view, text, from, to: dst, ...answer, fix };
}
