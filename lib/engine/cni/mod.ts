// The CNI plugin for containerd, Kubernetes, Nomad and Podman (CNI 0.3.0 to 1.1).
import { statOf } from "../../base/files.ts";
import { type EngineDriver, settle, type Settlement } from "../../driver/mod.ts";
import {
  IpvlanError,
  type IpvlanErrorOf,
  isIpvlanError,
  problemIn,
  throwProblems,
} from "../../base/errors.ts";
import { Ip } from "../../iproute2/ip.ts";
import { defaultLink } from "../../iproute2/route.ts";
import { attach, detach, differences, findSandbox, recover } from "../attachment.ts";
import type { CallContext, PluginAnswer, PluginCall } from "../plugins.ts";
import { type Delegate, readGiven, runDelegate } from "./delegate.ts";
import { cniError, CODE, errorAnswer, isExhausted, toCniErrors } from "./errors.ts";
import { checkAddresses, claimAddresses, collectAddresses, releaseAddresses } from "./ipam.ts";
import { formatResult, type Result } from "./result.ts";
import {
  attachmentsOf,
  changesOf,
  type CniRequest,
  confLabel,
  isValid,
  networkName,
  parentOf,
  planLink,
  readRequest,
  resultOf,
  sandboxName,
} from "./translate.ts";
import { versionAnswer, versionOf } from "./version.ts";

interface Call extends CniRequest {
  driver: EngineDriver;
  /** The IPAM plugin of the configuration; `undefined` if it names no other. */
  delegate: Delegate | undefined;
  warn(line: string): void;
}

type Run = (call: Call) => Promise<Result | undefined | void>;

/** Answers the call in the environment and the configuration on standard input. Never throws. */
export async function runPlugin(
  { folder, variables, text }: Omit<PluginCall, "words">,
  { withDriver, warn, log }: CallContext,
): Promise<PluginAnswer> {
  if (variables.CNI_COMMAND === "VERSION") return { status: 0, output: versionAnswer(text) };
  const cniVersion = versionOf(text);
  try {
    const request = readRequest(variables, text);
    const { command, conf: { source, isIpam }, environment: { path } } = request;
    const delegate = source.kind === "ipam"
      ? { type: source.type, path, variables, text, folder, log }
      : undefined;
    const run = (isIpam ? RUN_AS_IPAM : RUN)[command];
    const result = await withDriver((driver) => run({ ...request, driver, delegate, warn }));
    return result ? { status: 0, output: formatResult(result, cniVersion) } : { status: 0 };
  } catch (error) {
    if (!(error instanceof IpvlanError)) warn(`${(error as Error).stack ?? error}`);
    return { status: 1, output: errorAnswer(cniVersion, toCniErrors(error)) };
  }
}

async function forward({ delegate, command }: Call): Promise<void> {
  if (delegate) await runDelegate(delegate, command);
}

/** Answers ADD: makes a link. If that fails, the IPAM plugin releases its addresses. */
async function add(call: Call): Promise<Result> {
  const { conf, delegate } = call;
  if (!delegate) {
    return await makeLink(call, conf.source.kind === "previous" ? conf.previous : undefined);
  }
  const answer = await runDelegate(delegate, "ADD");
  try {
    return await makeLink(call, readGiven(delegate, answer));
  } catch (error) {
    await runDelegate(delegate, "DEL").catch(({ message }) => call.warn(message));
    throw error;
  }
}

/** Makes the link of an attachment. @param given The result of another plugin for it. */
async function makeLink(call: Call, given: Result | undefined): Promise<Result> {
  const { driver, environment, warn } = call;
  const network = await findNetwork(call);
  const attachment = planLink(call, given);
  await labelLink(call, attachment.name);
  const { value, notices } = await attach(driver, network, attachment).catch(async (error) => {
    // Containers that ended without DEL in a crash may still hold addresses.
    const isWorthAnother = isExhausted(error) && (await driver.removeStale("cni")).length > 0;
    if (!isWorthAnother) throw error;
    return await attach(driver, network, attachment);
  });
  notices.forEach(warn);
  try {
    return resultOf(call, value, given);
  } catch (error) {
    await detach(driver, attachment.name, environment.ifname);
    throw error;
  }
}

/** Labels an existing sandbox with the configuration of a new link, before that is made. */
async function labelLink(
  { driver, environment: { ifname }, conf }: Call,
  sandbox: string,
): Promise<void> {
  const found = await findSandbox(driver, sandbox);
  // The link exists, so the call will be refused: keep the label of its own configuration.
  if (!found || found.endpoints.some((endpoint) => endpoint.ifname === ifname)) return;
  const labels = { ...found.labels, [confLabel(ifname)]: conf.name };
  await driver.label([{ kind: "sandbox", name: sandbox, labels }]);
}

async function del(call: Call): Promise<void> {
  const { driver, conf, environment } = call;
  const name = sandboxName(environment.containerId);
  const { ifname } = environment;
  const isAttached = async () => {
    const found = await findSandbox(driver, name);
    return attachmentsOf(conf, found ? [found] : []).some((each) => each.ifname === ifname);
  };
  // This waits for an ADD that is still running, and removes what a killed one has made.
  if (!await isAttached()) await recover(driver, networkName(conf), name);
  if (await isAttached()) await detach(driver, name, ifname);
  await forward(call);
}

/** Checks the link of an attachment. @throws {IpvlanError} Something is missing or changed. */
async function check(call: Call): Promise<void> {
  const { driver, conf, environment } = call;
  const name = sandboxName(environment.containerId);
  const [seen] = await driver.seeSandboxes([name]);
  const { ifname } = environment;
  if (!seen || !attachmentsOf(conf, [seen]).some((own) => own.ifname === ifname)) {
    const sentence = `The container ${environment.containerId} has no link ${ifname} on the ` +
      `network "${conf.name}"`;
    throw cniError(CODE.container, sentence);
  }
  const { netns, containerId } = environment;
  const id = namespaceId(netns);
  if (netns !== seen.path && (id === undefined || id !== namespaceId(seen.path!))) {
    throw cniError(CODE.changed, `The container ${containerId} is not in ${netns}`);
  }
  throwProblems([...changesOf(call, seen), ...await problemsOf(() => forward(call))]);
}

/** Identifies a network namespace by its file (namespaces(7)); `undefined` if there is no file. */
function namespaceId(path: string): string | undefined {
  const file = statOf(path);
  return file && `${file.dev}:${file.ino}`;
}

async function collect(call: Call): Promise<void> {
  const { driver, conf } = call;
  await recover(driver, networkName(conf));
  const problems = driver.listSandboxes().map(async (sandbox) => {
    const stale = attachmentsOf(conf, [sandbox]).filter((each) => !isValid(conf, each));
    if (stale.length === 0) return [];
    return await problemsOf(async () => {
      if (stale.length === sandbox.endpoints.length) await driver.removeSandbox(sandbox.name);
      else for (const { ifname } of stale) await detach(driver, sandbox.name, ifname);
    });
  });
  throwProblems([
    ...(await Promise.all(problems)).flat(),
    ...await problemsOf(() => forward(call)),
  ]);
}

/** Checks that a container can be attached now. @throws {IpvlanError} Something prevents it. */
async function checkStatus(call: Call): Promise<void> {
  const problem = await problemIn(async () => throwProblems(await statusProblems(call)));
  throwProblems([
    ...(problem?.problems ?? []).map((error) => {
      const isLimited = isIpvlanError(error, "network-cut-off");
      return cniError(isLimited ? CODE.limited : CODE.notAvailable, error.message);
    }),
    ...await problemsOf(() => forward(call)),
  ]);
}

async function statusProblems(call: Call): Promise<readonly IpvlanError[]> {
  const { driver } = call;
  const network = await findNetwork(call);
  if (typeof network === "string") return await driver.problemsOfNext(network);
  const { name } = network.network;
  const found = driver.findNetwork(name);
  if (!found) return await driver.problemsOfFirst(network);
  // ADD makes an unused network anew.
  const { endpoints, reservations } = driver.inspectNetwork(name);
  const isUsed = endpoints.length > 0 || reservations !== undefined;
  const settings = isUsed ? differences(network.network, found) : [];
  return [
    ...settings.length > 0 ? [new IpvlanError("network-differs", { network: name, settings })] : [],
    ...await driver.problemsOfNext(name),
  ];
}

/**
 * Finds the network of a call: the name of one of `ipvlan`'s own, or one to make if it does not
 * exist. Without a master, its parent is the link of the host's default route; the driver finds a
 * parent in the container. @throws {"cni"} There is neither a master nor a default route.
 */
async function findNetwork({ conf, settled }: CniRequest): Promise<Settlement | string> {
  if (conf.source.kind === "network") return conf.source.network;
  if (settled!.network.parent !== undefined) return settled!;
  await using ip = await Ip.open();
  const routes = await Promise.all([ip.route.show(4), ip.route.show(6)]);
  const parent = parentOf(conf, defaultLink(routes.flat()));
  const placed = settle({ ...settled!.spec, parent });
  throwProblems(placed.problems);
  return placed;
}

/** Runs a function. Resolves to the problems that it throws. */
async function problemsOf(run: () => Promise<void>): Promise<IpvlanErrorOf<"cni">[]> {
  try {
    await run();
    return [];
  } catch (error) {
    return toCniErrors(error);
  }
}

const RUN: Record<CniRequest["command"], Run> = {
  ADD: add,
  DEL: del,
  CHECK: check,
  GC: collect,
  STATUS: checkStatus,
};

/** The commands for another plugin, which makes the link. */
const RUN_AS_IPAM: Record<CniRequest["command"], Run> = {
  ADD: claimAddresses,
  DEL: releaseAddresses,
  CHECK: checkAddresses,
  GC: collectAddresses,
  STATUS: () => Promise.resolve(),
};
