/**
 * Builds worlds in the kernel, pings everybody from everybody, and compares with the model.
 *
 * @module
 */
import { openLibc } from "../../lib/netlink/libc.ts";
import { inNamespace, namesOfNamespaces } from "../../lib/netlink/namespace.ts";
import {
  type Answer,
  findFix,
  type Node,
  nodeOf,
  readFirewall,
  type Step,
  stepText,
  type Verdict,
  why,
  type WhyView,
  World,
} from "../../lib/why/mod.ts";
import { which } from "../../lab/machine.ts";
import { run, runWith } from "../kit/processes.ts";
import { lookUntilSettled } from "../../scenarios/kit/machines/model.ts";
import { pingAll } from "../../scenarios/kit/machines/ping_all.ts";
import { build, PREFIX, type WorldSpec } from "./worlds.ts";

/** Runs lines of `ip`, also after one that fails. Returns what it said of those. */
async function ip(args: string[], lines: readonly string[]): Promise<string> {
  const words = [...args, "-force", "-batch", "-"];
  return (await runWith(lines.map((line) => `${line}\n`).join(""), "ip", { args: words })).stderr;
}

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
export const counts: Record<Verdict | "worlds" | "pairs" | "fixes" | "dropped", number> = {
  worlds: 0,
  pairs: 0,
  fixes: 0,
  yes: 0,
  no: 0,
  leaves: 0,
  unknown: 0,
  dropped: 0,
};

/** How often the model did not know, by the rule at which its path ended. */
export const causes: Record<string, number> = {};

async function settled(): Promise<WhyView> {
  const view = await lookUntilSettled();
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
  const { size } = spec;
  await clean();
  try {
    await make(spec);
    const view = await settled();
    for (const { netns } of hasFirewall ? build(spec).firewalls : []) {
      nodeOf(view, netns)!.firewall = await readFirewall(netns);
    }
    const world = new World(view);
    const nodes = view.others.filter(({ netns }) => netns !== `${PREFIX}sw`);
    const pairs = nodes.flatMap((node) =>
      nodes.flatMap(({ addrs }) =>
        addrs.filter(({ scope }) => scope === "global")
          .map(({ address: dst }): Pair => ({ node, dst, answer: why(world, node, { dst, size }) }))
      )
    );
    const answered = await ping(pairs, size);
    counts.worlds++;
    const wrong = pairs.flatMap((pair, index) => {
      const { answer } = pair;
      counts.pairs++;
      counts[answer.verdict]++;
      if (lastOf(answer).code === "firewall") counts.dropped++;
      const isKnown = answer.verdict === "yes" || answer.verdict === "no";
      if (!isKnown) count(answer);
      return !isKnown || (answer.verdict === "yes") === answered[index] ? [] : [sentence(pair)];
    });
    return wrong.length > 0 ? wrong : await wrongFix(view, pairs, size);
  } finally {
    await clean();
  }
}

async function ping(pairs: readonly Pair[], size?: number): Promise<boolean[]> {
  const pings = pairs.map(({ node, dst }) => ({ netns: node.netns!, dst, size }));
  return await pingAll(pings, pairs.map(({ answer }) => answer.verdict === "yes"));
}

function lastOf({ there, back }: Answer): Step {
  return [...there, ...back].at(-1)!;
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
    const [isAnswered] = await pingAll([{ netns: netns!, dst, size }], [true]);
    return isAnswered ? [] : [`${sentence(pair)}; the fix does not help: ${fix}`];
  }
  return [];
}

function sentence({ node, dst, answer: { verdict, there, back } }: Pair): string {
  const steps = [...there, ...back].map(stepText).join("; ");
  return `${node.netns} to ${dst}: the model says ${verdict}: ${steps}`;
}
