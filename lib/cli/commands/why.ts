import { addressIn, familyOf } from "../../ipam/address.ts";
import { invalidOption } from "../../base/errors.ts";
import type { EngineDriver } from "../../driver/mod.ts";
import { lookAround } from "../../iproute2/view.ts";
import { netnsOf } from "../../iproute2/words.ts";
import {
  addressOf,
  type Answer,
  differs,
  explain,
  FORMATS,
  matrixOf,
  nodeOf,
  pingPairs,
  readFirewall,
  toText,
  WANTED,
  type WhyView,
  without,
  World,
} from "../../why/mod.ts";
import type { Arguments, Command } from "../command.ts";

const STATUSES = { yes: 0, no: 1, leaves: 3, unknown: 3 } as const;

const OTHER_STATUSES: [status: string, meaning: string][] = [
  ["2", "misuse"],
  ["3", "that is not known: the packet leaves what is in view, or is treated in an unknown way"],
];

const OPTIONS = {
  "--size BYTES":
    "ask with packets of this size that may not be cut into parts; default: small ones",
  "--without LINK|SANDBOX...":
    "answer for when this has failed: eth0 or c1:eth0 is set down, or the namespace c1 deleted",
};

export const why: Command = {
  usage: "[OPTIONS] FROM TO",
  example: `ipvlan why c1 c2
ipvlan why c1 192.168.1.250
ipvlan why host:eth0 c1
ipvlan why c1 c2 --size 9000
ipvlan why c1 c20 --without router`,
  options: { "--json": "print an object with verdict, there, back and fix", ...OPTIONS },
  asks: true,
  statuses: [
    ["0", "it is reached"],
    ["1", "it is not, or an error"],
    ...OTHER_STATUSES,
  ],
  async run(args, { open, print, interrupted: signal }) {
    const more = { losses: args.values("without"), size: readSize(args), signal };
    await using driver = await open();
    const { view: _, text, ...answer } = await askWhy(driver, args.positionals, more);
    print(args.on("json") ? JSON.stringify(answer, null, 4) : text);
    return STATUSES[answer.verdict];
  },
};

const CHOICES = Object.keys(FORMATS).join(", ");

export const matrix: Command = {
  usage: "[OPTIONS]",
  example: `ipvlan matrix
ipvlan matrix --network lan --family 4 --ping
ipvlan matrix --format html > matrix.html`,
  options: {
    "--network NETWORK": "only the host and the sandboxes of this network",
    "--family 4|6": "only addresses of this family",
    "--format FORMAT": `${CHOICES}; default text`,
    "--json": "the same as --format json",
    "--ping": "also ping everybody from everybody, and mark where the kernel answers otherwise",
    ...OPTIONS,
  },
  asks: true,
  statuses: [
    ["0", "all answers are known, and with --ping those of the kernel, too"],
    ["1", "with --ping, the kernel differs; or an error"],
    ...OTHER_STATUSES,
  ],
  async run(args, { open, print, warn, interrupted: signal }) {
    const [family, network] = ["family", "network"].map(args.value);
    const format = args.on("json") ? "json" : args.value("format") ?? "text";
    const show = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
    if (!show) throw invalidOption("format", format, `choose one of ${CHOICES}`);
    if (family !== undefined && !["4", "6"].includes(family)) {
      throw invalidOption("family", family, "choose 4 or 6");
    }
    const size = readSize(args);
    const losses = args.values("without");
    if (args.on("ping") && losses.length > 0) {
      throw invalidOption("option", "--ping", "nothing of --without has failed yet");
    }
    await using driver = await open();
    const names = network === undefined
      ? driver.listSandboxes().map(({ name }) => name)
      : driver.inspectNetwork(network).endpoints.map(({ sandbox }) => sandbox);
    const { view, find } = await lookAtAll(driver, signal, losses);
    const asked = new Set(["host", ...names]).difference(new Set(losses));
    const members = [...asked].flatMap((name) => {
      const node = find(name, view);
      if (!node) warn(`${name} is left out: its namespace is not in view`);
      return node ? [{ name, node }] : [];
    });
    const world = new World(view);
    for (const node of world.nodes) node.firewall = await readFirewall(node.netns);
    const families = ([4, 6] as const).filter((each) =>
      (family ?? `${each}`) === `${each}` &&
      members.some(({ name, node: { addrs } }) =>
        name !== "host" && addrs.some((addr) => addr.family === each && addr.scope === "global")
      )
    );
    const table = matrixOf(world, members, { families, size });
    if (args.on("ping")) await pingPairs(table, signal);
    for (const text of show(table)) print(text);
    const pairs = table.rows.flat();
    if (pairs.some(differs)) return 1;
    const isKnown = pairs.every(({ verdict }) => STATUSES[verdict] < 3);
    return isKnown && members.length === asked.size ? 0 : 3;
  },
};

function readSize(args: Arguments): number {
  const text = args.value("size") ?? "0";
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65535) return Number(text);
  throw invalidOption("size", text, "give the bytes of a packet, at most 65535");
}

/** Asks whether FROM (`c1`, `host`, `host:eth0`) reaches TO (the same, or an address). */
export async function askWhy(
  driver: EngineDriver,
  [from = "", to = ""]: readonly string[],
  more: { losses?: readonly string[]; size?: number; signal: AbortSignal },
): Promise<Answer & { view: WhyView; text: string; from: string; to: string; fix?: string }> {
  const { view, find, read } = await lookAtAll(driver, more.signal, more.losses);
  const { name, node: asking, link } = read(from);
  if (!asking) throw invalidOption("name", name, "give host, a sandbox or a network namespace");
  const target = find(to);
  const dst = target ? addressOf(target, asking) : addressIn(to);
  if (dst === undefined) {
    throw invalidOption("target", to, "it has no address: give one that has");
  }
  const family = familyOf(dst);
  const src = asking.addrs.find((each) => each.dev === link && each.family === family)?.address;
  if (link !== undefined && src === undefined) {
    throw invalidOption("link", link, `give a link of ${name} that has an IPv${family} address`);
  }
  const node = find(name, view);
  if (!node) throw invalidOption("name", name, "it asks, so it cannot be gone");
  const { fix, ...answer } = await explain(view, node, { dst, src, size: more.size });
  const text = toText(answer, { from, to: target ? `${to} (${dst})` : dst, fix });
  return { view, text, from, to: dst, ...answer, fix };
}

/**
 * Looks at this machine. `view` is what it will have without what is lost; by names as they are typed,
 * `find` and `read` give what it has now.
 *
 * @param losses The links and namespaces to be without: `eth0`, `c1:eth0`, `c1`.
 */
async function lookAtAll(
  driver: EngineDriver,
  signal: AbortSignal,
  losses: readonly string[] = [],
) {
  const sandboxes = driver.listSandboxes();
  const files = sandboxes.flatMap(({ path }) => path ?? []);
  const now = await lookAround(WANTED, { files, signal });
  const find = (name: string, seen = now) => {
    const path = sandboxes.find((each) => each.name === name)?.path;
    return name === "host" ? seen.host : nodeOf(seen, path === undefined ? name : netnsOf(path));
  };
  const read = (typed: string) => {
    const [, name = typed, link] = find(typed) ? [] : /^(.*):([^:]+)$/.exec(typed) ?? [];
    return { name, node: find(name), link };
  };
  const lose = (seen: WhyView, typed: string) => {
    const { name, node, link: dev = node ? undefined : typed } = read(typed);
    const left = find(node ? name : "host", seen);
    const after = left && without(seen, { netns: left.netns, dev }, Deno.osRelease());
    if (after) return after;
    throw invalidOption("loss", typed, "give a link, c1:eth0, or a sandbox or network namespace");
  };
  return { view: [...new Set(losses)].reduce(lose, now), find, read };
}
