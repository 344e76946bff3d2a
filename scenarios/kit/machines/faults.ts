// What goes wrong on a cable between a machine and the switch, and what passes on it.
import { succeed } from "../program.ts";
import { netnsOf, portOf } from "./machine.ts";

/** A cable that is not as it should be, in both directions (tc-netem(8)). */
export interface Fault {
  /** The share of the frames that it loses, in percent: 100 loses all, and both ends stay up. */
  loss?: number;
  /** How long it keeps each frame, in milliseconds. */
  delay?: number;
  /** The most that it carries, in kbit/s. */
  rate?: number;
}

/** A link in its namespace. */
interface End {
  netns: string;
  dev: string;
}

/** Gives a machine's cable a fault until it is disposed of: `disturb("host", "eth0", { delay: 50 })`. */
export async function disturb(name: string, link: string, fault: Fault): Promise<AsyncDisposable> {
  const { loss, delay, rate } = fault;
  const netem = [
    ...loss === undefined ? [] : ["loss", `${loss}%`],
    ...delay === undefined ? [] : ["delay", `${delay}ms`],
    ...rate === undefined ? [] : ["rate", `${rate}kbit`],
  ];
  await using undo = new AsyncDisposableStack();
  for (const { netns, dev } of endsOf(name, link)) {
    await succeed("tc", "-n", netns, "qdisc", "add", "dev", dev, "root", "netem", ...netem);
    undo.defer(async () => {
      await succeed("tc", "-n", netns, "qdisc", "del", "dev", dev, "root");
    });
  }
  return undo.move();
}

/** Sets the switch's port down until it is disposed of: the machine's link has no carrier. */
export async function disconnect(name: string, link: string): Promise<AsyncDisposable> {
  const [{ netns, dev }] = endsOf(name, link);
  const set = async (state: "up" | "down") => {
    await succeed("ip", "-n", netns, "link", "set", dev, state);
  };
  await set("down");
  return { [Symbol.asyncDispose]: () => set("up") };
}

/**
 * Writes all frames on a machine's cable to a file, which Wireshark opens, until it is disposed of.
 * Resolves when frames are seen.
 *
 * @throws {Error} tcpdump(8) does not exist or does not start: `lab --with tcpdump` brings it.
 */
export async function capture(name: string, link: string, file: string): Promise<AsyncDisposable> {
  const [{ netns, dev }] = endsOf(name, link);
  const child = new Deno.Command("ip", {
    args: [
      ...["netns", "exec", netns, "tcpdump", "-i", dev, "-w", file],
      // As root, without a change of the user: the folder is the caller's. Each frame is written at once.
      ...["-Z", "root", "--immediate-mode", "-U"],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const log = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let output = "";
  while (!output.includes("listening on")) {
    const { value, done } = await log.read();
    if (done) {
      throw new Error(`tcpdump does not start; lab --with tcpdump brings it: ${output.trim()}`);
    }
    output += value;
  }
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGINT");
      while (!(await log.read()).done);
      await child.status;
    },
  };
}

/** Both ends of a machine's cable: the switch's port, and the machine's link. */
function endsOf(name: string, link: string): [End, End] {
  return [
    { netns: netnsOf("switch"), dev: portOf(name, link) },
    { netns: netnsOf(name), dev: link },
  ];
}
