/**
 * Builds worlds in the kernel, pings everybody from everybody, and compares with the model.
 *
 * @module
 */
import { openLibc } from "../../lib/netlink/libc.ts";
import { lookAround } from "../../lib/iproute2/view.ts";
import { pingAll } from "../../lib/netlink/ping.ts";
import { inNamespace, namesOfNamespaces } from "../../lib/netlink/namespace.ts";
import {
  type Answer,
  findFix,
  matrixOf,
  type Node,
  nodeOf,
  readFirewall,
  type Step,
  stepText,
  type Verdict,
  WANTED,
  why,
  type WhyView,
  without,
  World,
} from "../../lib/why/mod.ts";
import { which } from "../../lab/machine.ts";
import { run, runWith } from "../kit/processes.ts";
import { lookUntilSettled } from "../../scenarios/kit/machines/model.ts";
import { build, PREFIX, type WorldSpec } from "./worlds.ts";

/** Runs lines of `ip`, also after one that fails. Returns what it said of those. */
async function ip(args: string[], lines: readonly string[]): Promise<string> {
  const words = [...args, "-force", "-batch", "-"];
  return (await runWith(lines.map((line) => `${line}\n`).join(""), "ip", { args: words })).stderr;
}

/** The namespace of the switch. */
const SWITCH = `${PREFIX}sw`;

/** Whether this machine has iptables. Where it has not, worlds are made without their rules. */
const hasFirewall = which("iptables-restore") !== undefined;

/** Removes all namespaces of worlds. */
async function clean(): Promise<void> {
  const names = namesOfNamespaces() ?? [];
  await ip([], names.filter((name) => name.startsWith(PREFIX)).map((name) => `netns del ${name}`));
}

async function make(spec: WorldSpec): Promise<void> {
  const { first, lines, sysctls, firewalls } = build(spec);
  const err = await ip([], first);
  if (err) throw new Error(err);
  const { libc } = openLibc();
  for (const [netns, setting] of sysctls) {
    const [path, value] = setting.split("=");
    inNamespace(
      libc!,
      `/run/netns/${netns}`,
      netns,
      () => Deno.writeTextFileSync(`/proc/sys/${path}`, value!),
    );
  }
  // Runs of lines in one namespace go to one `ip`.
  for (let at = 0; at < lines.length;) {
    const netns = lines[at]![0];
    let end = at;
    while (lines[end]?.[0] === netns) end++;
    await ip(["-n", netns], lines.slice(at, end).map(([, line]) => line));
    at = end;
  }
  for (const { netns, family, text } of hasFirewall ? firewalls : []) {
    const words = [`--net=/run/netns/${netns}`, `ip${family === 4 ? "" : "6"}tables-restore`];
    const { code, stderr } = await runWith(text, "nsenter", { args: words });
    if (code !== 0) throw new Error(`${stderr}\n${text}`);
  }
}

/** The sums over all worlds. */
export const counts: Record<
  Verdict | "worlds" | "pairs" | "fixes" | "dropped" | "alike" | "losses",
  number
> = {
  worlds: 0,
  pairs: 0,
  fixes: 0,
  yes: 0,
  no: 0,
  leaves: 0,
  unknown: 0,
  dropped: 0,
  alike: 0,
  losses: 0,
};

/** How often the model did not know, by the rule at which its path ended. */
export const causes: Record<string, number> = {};

async function settled(): Promise<WhyView> {
  return worldIn(await lookUntilSettled());
}

function worldIn(view: WhyView): WhyView {
  return { ...view, others: view.others.filter(({ netns }) => netns!.startsWith(PREFIX)) };
}

/** A question: whether a namespace reaches an address. */
interface Pair {
  node: Node;
  dst: string;
  answer: Answer;
}

/** Builds a world, and returns a sentence for each pair of which the model and the kernel differ. */
export async function differences(spec: WorldSpec): Promise<string[]> {
  await clean();
  try {
    await make(spec);
    const view = await settled();
    for (const { netns } of hasFirewall ? build(spec).firewalls : []) {
      nodeOf(view, netns)!.firewall = await readFirewall(netns);
    }
    const [pairs, wrong] = await compare(view, targetsOf(view), spec.size);
    if (wrong.length > 0) return wrong;
    const ungrouped = wrongGroups(new World(view), pairs, spec.size);
    if (ungrouped.length > 0) return ungrouped;
    counts.worlds++;
    const unfixed = await wrongFix(view, pairs, spec.size);
    if (unfixed.length > 0) return unfixed;
    const fixed = await settled();
    for (const node of fixed.others) node.firewall = nodeOf(view, node.netns)!.firewall;
    return await wrongLoss(spec, fixed);
  } finally {
    await clean();
  }
}

/** The addresses to ask: all of a world. */
function targetsOf({ others }: WhyView): string[] {
  return others.filter(({ netns }) => netns !== SWITCH)
    .flatMap(({ addrs }) => addrs.filter(({ scope }) => scope === "global"))
    .map(({ address }) => address);
}

/** Asks the model and the kernel. Returns the pairs, and sentences for those on which they differ. */
async function compare(
  view: WhyView,
  targets: string[],
  size?: number,
): Promise<[Pair[], wrong: string[]]> {
  const world = new World(view);
  const pairs = view.others.filter(({ netns }) => netns !== SWITCH).flatMap((node) =>
    targets.map((dst): Pair => ({ node, dst, answer: why(world, node, { dst, size }) }))
  );
  const answered = await ping(pairs, size);
  const wrong = pairs.flatMap((pair, index) => {
    const { answer } = pair;
    counts.pairs++;
    counts[answer.verdict]++;
    if (lastOf(answer).code === "firewall") counts.dropped++;
    const isKnown = answer.verdict === "yes" || answer.verdict === "no";
    if (!isKnown) count(answer);
    return !isKnown || (answer.verdict === "yes") === answered[index] ? [] : [sentence(pair)];
  });
  return [pairs, wrong];
}

/** Breaks a link or a namespace of a world, and compares with what the model had said before. */
async function wrongLoss({ loss, size }: WorldSpec, view: WhyView): Promise<string[]> {
  const things = view.others.flatMap(({ netns, links }) => [
    ...netns === SWITCH ? [] : [{ netns, dev: undefined }],
    ...links.map(({ name }) => ({ netns, dev: name })),
  ]);
  const { netns = "", dev } = things[loss % things.length]!;
  const expected = without(view, { netns, dev }, Deno.osRelease())!;
  if (dev === undefined) {
    // Once it has no name, the kernel deletes its links in its own time.
    const { links } = nodeOf(view, netns)!;
    await ip(["-n", netns], links.map(({ name }) => `link del ${name}`));
    await ip([], [`netns del ${netns}`]);
  } else await ip(["-n", netns], [`link set ${dev} down`]);
  counts.losses++;
  const lost = `without ${netns} ${dev ?? ""}`;
  const wanted = shapeOf(expected);
  for (const start = performance.now();;) {
    const seen = shapeOf(worldIn(await lookAround(WANTED)));
    const more = [...seen].filter((each) => !wanted.has(each)).map((each) => `has ${each}`);
    const less = [...wanted].filter((each) => !seen.has(each)).map((each) => `lacks ${each}`);
    if (more.length + less.length === 0) break;
    if (performance.now() - start > 10_000) {
      return [...more, ...less].map((each) => `${lost}: the kernel ${each}`);
    }
  }
  const [, wrong] = await compare(expected, targetsOf(view), size);
  return wrong.map((each) => `${lost}: ${each}`);
}

/** What of a world decides on the way of a packet, and changes when something fails. */
function shapeOf({ others }: WhyView): Set<string> {
  return new Set(others.flatMap(({ netns, links, addrs, routes }) => [
    ...links.map(({ name, up, flags }) => `${netns} ${name} ${up} ${flags.includes("LOWER_UP")}`),
    ...addrs.map(({ dev, address }) => `${netns} ${dev} ${address}`),
    ...routes.filter(({ type }) => type === "local" || type === "unicast").map((route) =>
      `${netns} ${route.table} ${route.type} ${route.dst} ${route.via} ${route.dev} ${
        route.flags.includes("linkdown")
      }`
    ),
  ]));
}

/** The pairs of which a matrix says something else than the walk alone. */
function wrongGroups(world: World, pairs: readonly Pair[], size?: number): string[] {
  const members = [...new Set(pairs.map(({ node }) => node))]
    .map((node) => ({ name: node.netns!, node }));
  const matrix = matrixOf(world, members, { families: [4, 6], size });
  counts.alike += members.length - matrix.groups.length;
  return matrix.rows.flat().flatMap(({ from, to, address, verdict, code }) => {
    const pair = pairs.find(({ node, dst }) => node.netns === from && dst === address)!;
    return pair.answer.verdict === verdict && lastOf(pair.answer).code === code
      ? []
      : [`${sentence(pair)}; in a matrix, ${from} to ${to}: ${verdict} ${code}`];
  });
}

function lastOf({ there, back }: Answer): Step {
  return [...there, ...back].at(-1)!;
}

async function ping(pairs: readonly Pair[], size?: number): Promise<boolean[]> {
  return await pingAll(pairs.map(({ node, dst, answer }) => ({
    path: `/run/netns/${node.netns}`,
    dst,
    size,
    isExpected: answer.verdict === "yes",
  })));
}

function count(answer: Answer): void {
  const steps = [...answer.there, ...answer.back];
  const { code, about } = steps.find((each) => each.code === "answer-lost") ?? lastOf(answer);
  const cause = code === "unknown" ? `${code}: ${about}` : code;
  causes[cause] = (causes[cause] ?? 0) + 1;
}

/** Does what the model advises for one of the pairs that do not reach each other. */
async function wrongFix(
  view: WhyView,
  pairs: readonly Pair[],
  size?: number,
): Promise<string[]> {
  for (const pair of pairs.filter(({ answer }) => answer.verdict === "no").toReversed()) {
    const { node: { netns }, dst, answer } = pair;
    const fix = findFix(view, netns, { dst, size }, answer);
    if (fix === undefined) continue;
    counts.fixes++;
    const { code, stderr } = await run("sh", "-c", fix);
    if (code !== 0) return [`${sentence(pair)}; the fix failed: ${fix}: ${stderr}`];
    await settled();
    const [isAnswered] = await ping([{ ...pair, answer: { ...answer, verdict: "yes" } }], size);
    return isAnswered ? [] : [`${sentence(pair)}; the fix does not help: ${fix}`];
  }
  return [];
}

function sentence({ node, dst, answer: { verdict, there, back } }: Pair): string {
  const steps = [...there, ...back].map(stepText).join("; ");
  return `${node.netns} to ${dst}: the model says ${verdict}: ${steps}`;
}
