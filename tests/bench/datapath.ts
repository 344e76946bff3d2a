/**
 * `deno task bench datapath`: what a packet costs on each kind of link, against a veth pair and a bridge.
 *
 * @module
 */
import { Daemon } from "../../scenarios/kit/engines/daemon.ts";
import { succeed } from "../../scenarios/kit/program.ts";
import {
  addressOf,
  type DataPath,
  dataPath,
  type KindName,
  KINDS,
  LAN_ADDRESS,
  PEER,
} from "./datapath_world.ts";
import { type Figure, median, type Unit } from "./figures.ts";
import type { Job } from "./inside.ts";
import { inTurns } from "./turns.ts";
import { removalsDone } from "./world.ts";

/** How long iperf3(1) sends, in seconds. */
const SECONDS = 1;
/** How many round trips are measured in a turn. */
const ROUND_TRIPS = 1000;
/** The payload of a small packet, in bytes. */
const SMALL = 64;

const NAMES = Object.keys(KINDS) as KindName[];

/** Measures all. */
export async function* dataPathFigures({ turns, many }: Job): AsyncGenerator<Figure> {
  yield* moving(turns);
  const work = `memory per link, at ${many} links`;
  const ways = eachKind((kind) => () => memoryPerLink(kind, many));
  yield* compared(work, await inTurns(work, turns, ways, "kB"), "kB");
}

/** Measures packets of one sandbox to another one, and to a machine of the LAN. */
async function* moving(turns: number): AsyncGenerator<Figure> {
  await using undo = new AsyncDisposableStack();
  const worlds = new Map<KindName, DataPath>();
  for (const kind of NAMES) {
    const world = undo.use(await dataPath(kind));
    for (const [index, sandbox] of world.sandboxes.entries()) {
      await world.connect(sandbox, [index + 1]);
    }
    worlds.set(kind, world);
  }
  const toSandbox = (kind: KindName) => () => {
    const { sandboxes: [from, to] } = worlds.get(kind)!;
    return measurePath(from, to, addressOf(kind, 2));
  };
  const toLan = (kind: KindName) => () => {
    const { sandboxes: [from], lan } = worlds.get(kind)!;
    return measurePath(from, lan, LAN_ADDRESS);
  };
  for (const [path, way] of [["to a sandbox", toSandbox], ["to the LAN", toLan]] as const) {
    const times = await inTurns(path, turns, eachKind(way));
    for (const measure of Object.keys(times[PEER][0]!) as Measure[]) {
      const samples = eachKind((kind) => times[kind].map((each) => each[measure]));
      yield* compared(`${measure} ${path}`, samples);
    }
  }
}

/** What is measured on a path. All are times in milliseconds. */
type Measure =
  | "1 GB by TCP"
  | "CPU time of 1 GB"
  | "1,000 small packets"
  | "round trip (median)"
  | "round trip (p99)";

async function measurePath(
  from: string,
  to: string,
  address: string,
): Promise<Record<Measure, number>> {
  const iperf = async (...words: string[]) => {
    const server = ["ip", "netns", "exec", to, "sh", "-c", "exec iperf3 -s --forceflush >&2"];
    await using _server = await Daemon.start(server, { ready: /Server listening/ });
    const client = ["iperf3", "-J", "-c", address, "-t", `${SECONDS}`, ...words];
    const before = busyTime(await Deno.readTextFile("/proc/stat"));
    const json = await succeed("ip", "netns", "exec", from, ...client);
    return { json, busy: busyTime(await Deno.readTextFile("/proc/stat")) - before };
  };
  const { json, busy } = await iperf();
  const tcp = tcpResult(json);
  const packets = await iperf("-u", "-b", "0", "-l", `${SMALL}`);
  const ping = ["ping", "-A", "-c", `${ROUND_TRIPS}`, address];
  const trips = roundTrips(await succeed("ip", "netns", "exec", from, ...ping));
  return {
    "1 GB by TCP": tcp.milliseconds / tcp.gigabytes,
    "CPU time of 1 GB": busy / tcp.gigabytes,
    "1,000 small packets": timePer1000(packets.json),
    "round trip (median)": median(trips),
    "round trip (p99)": percentile(trips, 99),
  };
}

/** Measures the kernel's memory for a link of a sandbox, with its address, in kB. */
async function memoryPerLink(kind: KindName, count: number): Promise<number> {
  let taken: number;
  {
    await using world = await dataPath(kind);
    const { sandboxes: [measured, other] } = world;
    const numbers = Array.from({ length: Math.ceil(count * 1.5) }, (_, index) => index + 1);
    // The kernel keeps some memory of removed links. The first new ones use it up.
    await world.connect(other, numbers.slice(count));
    const before = await readKernelMemory();
    await world.connect(measured, numbers.slice(0, count));
    taken = await readKernelMemory() - before;
  }
  // The first deleted namespaces may be removed together with those of the world.
  await removalsDone();
  await removalsDone();
  return taken / count;
}

async function readKernelMemory(): Promise<number> {
  // Reading this file adds up what each processor has counted (the kernel's `admin-guide/sysctl/vm.rst`).
  // A kernel for one processor has no such file, and only root of the machine may read it.
  await Deno.readTextFile("/proc/sys/vm/stat_refresh").catch(() => {});
  return kernelMemory(await Deno.readTextFile("/proc/meminfo"));
}

/** Makes a value for each kind of link. */
function eachKind<T>(make: (kind: KindName) => T): Record<KindName, T> {
  return Object.fromEntries(NAMES.map((kind) => [kind, make(kind)])) as Record<KindName, T>;
}

/** Compares each kind of link with the peer. */
export function compared(
  work: string,
  samples: Readonly<Record<KindName, number[]>>,
  unit?: Unit,
): Figure[] {
  return NAMES.filter((kind) => kind !== PEER).map((kind) => ({
    work: `${kind}: ${work}`,
    peer: PEER,
    ours: samples[kind],
    theirs: samples[PEER],
    ...unit !== undefined && { unit },
  }));
}

/** Reads how much iperf3(1) received by TCP, and in which time, from its JSON. */
export function tcpResult(json: string): { gigabytes: number; milliseconds: number } {
  const { bytes, seconds } = JSON.parse(json).end.sum_received;
  return { gigabytes: bytes / 1e9, milliseconds: seconds * 1000 };
}

/** Reads the time for 1,000 packets that arrived, in milliseconds, from the JSON of iperf3(1). */
export function timePer1000(json: string): number {
  const { packets, lost_packets: lost, seconds } = JSON.parse(json).end.sum;
  return seconds * 1e6 / (packets - lost);
}

/** Reads the round trips from the output of ping(8), in milliseconds. */
export function roundTrips(output: string): number[] {
  return [...output.matchAll(/ time=([\d.]+) ms/g)].map(([, time]) => Number(time));
}

/** The value that a percentage of the values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * percent / 100) - 1)]!;
}

/** Reads for how long all processors were busy, in milliseconds, from `/proc/stat` (proc(5)). */
export function busyTime(stat: string): number {
  const [user, nice, system, , , irq, softirq] = stat.split("\n")[0]!.split(/\s+/).slice(1)
    .map(Number) as [number, number, number, number, number, number, number];
  // The unit is USER_HZ, 10 ms on every architecture of Deno.
  return (user + nice + system + irq + softirq) * 10;
}

/**
 * Reads how much memory the kernel cannot give back, in kB, from `/proc/meminfo` (proc(5)). The memory
 * of processes and of files is not in it.
 */
export function kernelMemory(meminfo: string): number {
  return ["SUnreclaim", "VmallocUsed", "Percpu"]
    .map((name) => Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(meminfo)?.[1] ?? 0))
    .reduce((sum, size) => sum + size);
}

/** Whether a processor is one that a program emulates, from `/proc/cpuinfo`. */
export function isEmulated(cpuinfo: string): boolean {
  return /^model name\s*: (UML|QEMU)/m.test(cpuinfo);
}
