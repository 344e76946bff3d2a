import { engineOf, isOwned } from "../../driver/model/names.ts";
import { containerNames } from "../../engine/docker/api.ts";
import { shortName } from "../../engine/owners.ts";
import type { Command } from "../command.ts";
import { inspectedSandbox, sandboxColumns, sandboxFields } from "../docker/shape.ts";
import { readSelection, SELECTION_OPTIONS } from "../docker/filter.ts";
import { FORMAT_OPTIONS, type Listing, printList, readFormat } from "../docker/list.ts";
import type { Driver, SeenSandbox } from "../../driver/mod.ts";
import type { Struct } from "../../template/mod.ts";
import { invalidOption, IpvlanError, isIpvlanError, unlessError } from "../../base/errors.ts";
import { type Find, findNetwork, INSPECT_OPTIONS, showInFull } from "./network.ts";
import { forEachName, requireOwn } from "../errors.ts";
import { readCount } from "../option_values.ts";
import { nodeModule } from "../../base/node.ts";
import { pause } from "../../base/waiting.ts";

/** How often to poll for the end of processes, in milliseconds. */
const INTERVAL = 50;

/** Reads a signal: `TERM`, `SIGTERM` or `15`. @throws {"invalid-option"} It does not exist. */
export function readSignal(text: string): Deno.Signal {
  const signals: Readonly<Record<string, number>> = nodeModule("node:os").constants.signals;
  const upper = text.toUpperCase();
  const found = Object.keys(signals).find((name) =>
    name === upper || name === `SIG${upper}` || String(signals[name]) === text
  );
  if (found !== undefined) return found as Deno.Signal;
  throw invalidOption("signal", text, "give a name such as TERM, or a number");
}

/** Runs a call on a sandbox. `undefined` if the sandbox is removed meanwhile, as by `run --rm`. */
export async function unlessRemoved<T>(call: () => Promise<T>): Promise<T | undefined> {
  return await unlessError(["sandbox-not-found", "half-done"], call);
}

/**
 * Waits until a sandbox has no process. Returns `false` at the deadline. It polls, as the kernel
 * gives no notice. It takes an id: meanwhile, another sandbox may get its name.
 */
async function waitForEnd(driver: Driver, sandbox: string, deadline = Infinity): Promise<boolean> {
  while ((await driver.processes(sandbox)).length > 0) {
    if (performance.now() > deadline) return false;
    await pause(INTERVAL);
  }
  return true;
}

export const ps: Command = {
  usage: "[OPTIONS]",
  example: "ipvlan ps\nipvlan ps --format '{{.Names}}: {{.Networks}}'",
  options: {
    "-a, --all": "list also sandboxes that a restart has taken down, until they are restored",
    "-q, --quiet": "print only the names",
    ...SELECTION_OPTIONS,
    ...FORMAT_OPTIONS,
  },
  asks: true,
  async run(args, { open, print }) {
    const format = readFormat(args);
    const select = readSelection(args);
    await using driver = await open();
    const seen = await driver.seeSandboxes();
    const sandboxes = select(seen);
    const name = ({ name }: SeenSandbox) => args.on("no-trunc") ? name : shortName(name);
    const asks = format.kind === "table" && seen.some(({ name }) => engineOf(name) === "docker");
    const listing: Listing<SeenSandbox> = {
      key: ({ name }) => name,
      fields: sandboxFields(Date.now()),
      headers: { ID: "SANDBOX ID", RunningFor: "CREATED" },
      columns: sandboxColumns(sandboxes, name, asks ? await containerNames() : new Map()),
    };
    printList(sandboxes, format, listing, print);
  },
};

const FINDERS: Readonly<Record<string, Find>> = { container: findSandbox, network: findNetwork };

async function findSandbox(driver: Driver, typed: string): Promise<Struct> {
  // The name of an engine's sandbox may be shortened to the digits that `ps` shows.
  const known = isOwned(typed) ? driver.listSandboxes() : [];
  const { name } = known.find(({ name }) => shortName(name) === typed) ?? { name: typed };
  let [pids, [sandbox]] = await Promise.all([
    driver.processes(name),
    driver.seeSandboxes([name]),
  ]);
  const status = pids.length > 0
    ? undefined
    : await unlessRemoved(() => driver.exitStatus(sandbox!.id));
  // A command may have started meanwhile.
  if (status !== undefined) pids = await driver.processes(name);
  const networkOf = (network: string) => driver.findNetwork(network);
  return inspectedSandbox(sandbox!, networkOf, pids, pids.length > 0 ? 0 : status);
}

/** Finds the sandbox of a name, else the network, as Docker does. */
async function findAny(driver: Driver, name: string): Promise<Struct> {
  const found = await unlessError(["sandbox-not-found"], () => findSandbox(driver, name)) ??
    await unlessError(["network-not-found"], () => findNetwork(driver, name));
  if (found) return found;
  const known = [...driver.listSandboxes(), ...driver.listNetworks()].map(({ name }) => name);
  throw new IpvlanError("unknown-name", { subject: name, known });
}

export const inspect: Command = {
  usage: "[OPTIONS] NETWORK|SANDBOX [NETWORK|SANDBOX...]",
  example: "ipvlan inspect nginx\n" +
    "ipvlan inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' nginx",
  options: {
    ...INSPECT_OPTIONS,
    "--type TYPE": "show only a container (a sandbox), or only a network",
  },
  asks: true,
  async run(args, context) {
    const type = args.value("type");
    if (type !== undefined && !Object.hasOwn(FINDERS, type)) {
      const rule = `choose one of ${Object.keys(FINDERS).join(", ")}`;
      throw invalidOption("type", type, rule);
    }
    return await showInFull(args, context, type === undefined ? findAny : FINDERS[type]!);
  },
};

export const rm: Command = {
  usage: "[OPTIONS] SANDBOX [SANDBOX...]",
  example: "ipvlan rm --force nginx",
  options: {
    "-f, --force": "kill the processes in it first",
    "-v, --volumes": "no effect: a sandbox has no volumes",
    "--detach": "let the processes in it run on, without a network",
  },
  changes: true,
  async run(args, context) {
    const busy = args.on("force") ? "kill" : args.on("detach") ? "leave" : "refuse";
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      requireOwn(driver, { sandboxes: [name] });
      try {
        await driver.removeSandbox(name, busy);
      } catch (error) {
        // As docker rm --force: a sandbox that does not exist is no error.
        if (!(isIpvlanError(error, "sandbox-not-found") && busy === "kill")) throw error;
        return context.warn(error.message);
      }
      if (!context.dryRun) context.print(name);
    });
  },
};

export const stop: Command = {
  usage: "[OPTIONS] SANDBOX [SANDBOX...]",
  example: "ipvlan stop --timeout 2 nginx",
  options: {
    "-s, --signal SIGNAL": "the signal; default TERM",
    "-t, --timeout SECONDS": "how long to wait before the processes are killed; default 10",
    "--time SECONDS": "the same as --timeout",
  },
  async run(args, context) {
    const signal = readSignal(args.value("signal") ?? "TERM");
    const timeout = args.value("timeout") ?? args.value("time") ?? "10";
    // In Docker, -1 waits forever.
    const seconds = readCount("timeout", timeout, "give a whole number of seconds", "-1");
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      requireOwn(driver, { sandboxes: [name] });
      const { id } = driver.inspectSandbox(name);
      const deadline = performance.now() + seconds * 1000;
      await unlessRemoved(async () => {
        await driver.signal(id, signal);
        // A process may have started another one just before it was killed.
        while (!await waitForEnd(driver, id, deadline)) await driver.signal(id, "SIGKILL");
      });
      context.print(name);
    });
  },
};

export const kill: Command = {
  usage: "[OPTIONS] SANDBOX [SANDBOX...]",
  example: "ipvlan kill --signal HUP nginx",
  options: { "-s, --signal SIGNAL": "the signal; default KILL" },
  async run(args, context) {
    const signal = readSignal(args.value("signal") ?? "KILL");
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      requireOwn(driver, { sandboxes: [name] });
      if ((await driver.signal(name, signal)).length === 0) {
        throw new IpvlanError("not-running", { sandbox: name });
      }
      context.print(name);
    });
  },
};

export const wait: Command = {
  usage: "SANDBOX [SANDBOX...]",
  example: "ipvlan wait probe",
  async run(args, context) {
    await using driver = await context.open();
    return await forEachName(args.positionals, context, async (name) => {
      const { id } = driver.inspectSandbox(name);
      const status = await unlessRemoved(async () => {
        await waitForEnd(driver, id);
        return await driver.exitStatus(id);
      });
      context.print(String(status ?? 0));
    });
  },
};

const NEWLINE = 10;

/** The last lines of an output. The last line may lack its newline. */
function lastLines(output: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer> {
  let start = output.length;
  for (let left = count; left > 0 && start > 0; left--) {
    start = start < 2 ? 0 : output.lastIndexOf(NEWLINE, start - 2) + 1;
  }
  return output.subarray(start);
}

export const logs: Command = {
  usage: "[OPTIONS] SANDBOX",
  example: "ipvlan logs --follow --tail 20 nginx",
  options: {
    "-f, --follow": "print also what comes, until the command has ended",
    "-n, --tail LINES": "how many lines to begin with; default all",
  },
  async run(args, { open, write }) {
    const [sandbox = ""] = args.positionals;
    const lines = args.value("tail") ?? "all";
    let tail = readCount("tail", lines, "give a number of lines, or all", "all", "-1");
    await using driver = await open();
    const pieces = args.on("follow") ? driver.followOutput(sandbox) : [driver.output(sandbox)];
    for await (const piece of pieces) {
      write(lastLines(piece, tail));
      tail = Infinity;
    }
  },
};
