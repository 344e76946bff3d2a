/**
 * The CNI plugin: the driver's networks for containerd, Kubernetes, Nomad and Podman (CNI 1.1, and the
 * versions from 0.3.0 on).
 *
 * @module
 */
import { statOf } from "../../base/files.ts";
import type { EngineDriver, SandboxDetails } from "../../driver/mod.ts";
import {
  IpvlanError,
  type IpvlanErrorOf,
  isIpvlanError,
  throwProblems,
} from "../../base/errors.ts";
import { attach, detach, removeLeft } from "../attachment.ts";
import { type Delegate, readGiven, runDelegate } from "./delegate.ts";
import type { Conf } from "./conf.ts";
import type { AttachmentKey, Variables } from "./environment.ts";
import { cniError, CODE, errorAnswer, isExhausted, toCniErrors } from "./errors.ts";
import { checkAddresses, claimAddresses, collectAddresses, releaseAddresses } from "./ipam.ts";
import { formatResult, type Result } from "./result.ts";
import { findNetwork } from "./parent.ts";
import { statusProblems } from "./status.ts";
import {
  attachmentsOf,
  changesOf,
  type CniRequest,
  confLabel,
  isValid,
  networkName,
  planLink,
  readRequest,
  resultOf,
  sandboxName,
} from "./translate.ts";
import { versionOf } from "./version.ts";

/** An answer of the plugin. */
export interface PluginAnswer {
  /** The exit status. */
  status: number;
  /** The JSON to print on standard output; `undefined` for nothing. */
  output?: unknown;
}

/** The surroundings of a call of the plugin. */
export interface PluginContext {
  /** The working folder of the call. */
  folder: string;
  /** Runs a function with the driver. */
  withDriver<T>(run: (driver: EngineDriver) => Promise<T>): Promise<T>;
  /** Writes a line to the log. */
  warn(line: string): void;
  /** Writes the standard error of an IPAM plugin to the log. */
  log(printed: Uint8Array): void;
}

/** One call of the plugin, with all that its parts need. */
interface Call extends CniRequest {
  driver: EngineDriver;
  /** The IPAM plugin of the configuration; `undefined` if it names no other. */
  delegate: Delegate | undefined;
  warn(line: string): void;
}

/** Answers the call in the environment and the configuration on standard input. Never throws. */
export async function runPlugin(
  variables: Variables,
  text: string,
  { folder, withDriver, warn, log }: PluginContext,
): Promise<PluginAnswer> {
  const cniVersion = versionOf(text);
  const failed = (problems: readonly IpvlanErrorOf<"cni">[]) => ({
    status: 1,
    output: errorAnswer(cniVersion, problems),
  });
  try {
    const read = readRequest(variables, text);
    if (!read.ok) return failed(read.problems);
    const { source } = read.request.conf;
    const { path } = read.request.environment;
    const delegate = source.kind === "ipam"
      ? { type: source.type, path, variables, text, folder, log }
      : undefined;
    const result = await withDriver(async (driver) =>
      read.request.conf.isIpam
        ? await runIpam(read.request, driver)
        : await run({ ...read.request, driver, delegate, warn })
    );
    return result ? { status: 0, output: formatResult(result, cniVersion) } : { status: 0 };
  } catch (error) {
    if (!(error instanceof IpvlanError)) warn(`${(error as Error).stack ?? error}`);
    return failed(toCniErrors(error));
  }
}

/** Runs one command. Resolves to the result of ADD. */
async function run(call: Call): Promise<Result | undefined> {
  switch (call.command) {
    case "ADD":
      return await add(call);
    case "DEL":
      return await del(call);
    case "CHECK":
      return await check(call);
    case "GC":
      return await collect(call);
    case "STATUS":
      return await checkStatus(call);
  }
}

/** Runs one command as an IPAM plugin. Resolves to the result of ADD. */
async function runIpam(request: CniRequest, driver: EngineDriver): Promise<Result | undefined> {
  switch (request.command) {
    case "ADD":
      return await claimAddresses(request, driver);
    case "DEL":
      await releaseAddresses(request, driver, request.environment);
      return;
    case "CHECK":
      checkAddresses(request, driver);
      return;
    case "GC":
      await collectAddresses(request, driver);
  }
}

/** Runs the command of the IPAM plugin, if there is one. */
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
  const { driver, conf, environment, warn } = call;
  const network = await findNetwork(call);
  const attachment = planLink(call, given);
  await labelLink(driver, attachment.name, environment.ifname, conf.name);
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

/**
 * Labels an existing sandbox with the configuration of a new link. A new sandbox is made with the label.
 * The label is written before the link is made, as a label without a link does no harm.
 */
async function labelLink(
  driver: EngineDriver,
  sandbox: string,
  ifname: string,
  conf: string,
): Promise<void> {
  const found = findSandbox(driver, sandbox);
  // The link exists, so the call will be refused: keep the label of its own configuration.
  if (!found || found.endpoints.some((endpoint) => endpoint.ifname === ifname)) return;
  await driver.labelSandbox(sandbox, { ...found.labels, [confLabel(ifname)]: conf });
}

/** Finds a sandbox that is ready. */
function findSandbox(driver: EngineDriver, name: string): SandboxDetails | undefined {
  try {
    return driver.inspectSandbox(name);
  } catch (error) {
    const isNotReady = isIpvlanError(error, "sandbox-not-found", "half-done");
    if (!isNotReady) throw error;
  }
}

/** Removes the link of an attachment, if there is one, and then its addresses. */
async function del(call: Call): Promise<undefined> {
  const { driver, conf, environment } = call;
  const name = sandboxName(environment.containerId);
  const { ifname } = environment;
  const isAttached = () => {
    const found = findSandbox(driver, name);
    return attachmentsOf(conf, found ? [found] : []).some((each) => each.ifname === ifname);
  };
  // This waits for an ADD that is still running, and removes what a killed one has made.
  if (!isAttached()) await recover(driver, conf, name);
  if (isAttached()) await detach(driver, name, ifname);
  await forward(call);
}

/** Removes what killed calls have left of a configuration's network or of one sandbox on it. */
async function recover(driver: EngineDriver, conf: Conf, sandbox?: string): Promise<void> {
  const network = networkName(conf);
  const only = sandbox === undefined ? undefined : { sandbox, network };
  if (driver.hasUnfinished(only)) await driver.recover();
  await removeLeft(driver, network);
}

/** Checks the link of an attachment. @throws {IpvlanError} Something is missing or changed. */
async function check(call: Call): Promise<undefined> {
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

/** Removes every attachment that is not valid. Goes on after an error. */
async function collect(call: Call): Promise<undefined> {
  const { driver, conf } = call;
  await recover(driver, conf);
  const problems = driver.listSandboxes().map(async (sandbox) => {
    const stale = attachmentsOf(conf, [sandbox]).filter((each) => !isValid(conf, each));
    if (stale.length === 0) return [];
    return await problemsOf(() => removeLinks(driver, sandbox, stale));
  });
  throwProblems([
    ...(await Promise.all(problems)).flat(),
    ...await problemsOf(() => forward(call)),
  ]);
}

/** Removes links of one container: all at once, or some one by one. */
async function removeLinks(
  driver: EngineDriver,
  { name, endpoints }: SandboxDetails,
  links: readonly AttachmentKey[],
): Promise<void> {
  if (links.length === endpoints.length) return await driver.removeSandbox(name);
  for (const { ifname } of links) await detach(driver, name, ifname);
}

/** Checks that a container can be attached now. @throws {IpvlanError} Something prevents it. */
async function checkStatus(call: Call): Promise<undefined> {
  const problems = await statusProblems(call, call.driver);
  throwProblems([...problems, ...await problemsOf(() => forward(call))]);
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
