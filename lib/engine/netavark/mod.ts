// The netavark plugin for Podman: carries out its requests with the driver.
import { type EngineDriver, type MadeEndpoint, type Outcome, settle } from "../../driver/mod.ts";
import { IpvlanError, throwProblems, unlessError } from "../../base/errors.ts";
import { show } from "../../base/reader.ts";
import { attach, detach, recover } from "../attachment.ts";
import type { CallContext, PluginAnswer, PluginCall } from "../plugins.ts";
import {
  createAnswer,
  isAskedFor,
  readCreate,
  readSetup,
  readTeardown,
  setupAnswer,
  type SetupRequest,
  type StatusBlock,
} from "./translate.ts";
export { infoOf } from "./translate.ts";

const ENGINE = "netavark";

/** Carries out each command. Resolves to the value `undefined` where netavark expects no answer. */
const RUN = new Map<
  string | undefined,
  (driver: EngineDriver, text: string, path: string) => Promise<Outcome<unknown>>
>([["create", createNetwork], ["setup", setUp], ["teardown", tearDown]]);

/** Answers a call: its command, the file of a namespace, and a request. Never throws. */
export async function runPlugin(
  { words: [command, path = ""], text }: Pick<PluginCall, "words" | "text">,
  { withDriver, warn }: Pick<CallContext, "withDriver" | "warn">,
): Promise<PluginAnswer> {
  try {
    const run = RUN.get(command);
    if (!run) {
      const reason = `is ${show(command)}, and should be one of ${[...RUN.keys()].join(", ")}`;
      throw new IpvlanError("invalid-request", { place: "the command", reason });
    }
    const { value, notices } = await withDriver((driver) => run(driver, text, path));
    // Podman shows standard error to its user.
    notices.forEach(warn);
    return { status: 0, output: value };
  } catch (error) {
    // netavark expects this answer for a bug, too.
    if (!(error instanceof IpvlanError)) warn(`${(error as Error).stack ?? error}`);
    return { status: 1, output: { error: error instanceof Error ? error.message : String(error) } };
  }
}

/** Answers `create`: only checks a network, as Podman does not say when it removes one. */
export async function createNetwork(
  driver: EngineDriver,
  text: string,
): Promise<Outcome<Record<string, unknown>>> {
  const request = readCreate(text);
  await driver.removeStale(ENGINE);
  throwProblems(await driver.problemsOf([request.spec]));
  return { value: createAnswer(request), notices: [] };
}

/** Answers `setup`: connects a container to a network. A repeated request gets the same answer. */
export async function setUp(
  driver: EngineDriver,
  text: string,
  path: string,
): Promise<Outcome<StatusBlock>> {
  const request = readSetup(text, path);
  const { network, attachment, nameServers } = request;
  await driver.removeStale(ENGINE);
  const outcome = await findConnected(driver, request) ??
    await attach(driver, settle(network), attachment);
  return { ...outcome, value: setupAnswer(outcome.value, nameServers) };
}

/** Answers `teardown`: disconnects a container from a network, if it is connected. */
export async function tearDown(driver: EngineDriver, text: string): Promise<Outcome<undefined>> {
  const { sandbox, network, ifname } = readTeardown(text);
  await recover(driver, network, sandbox);
  await detach(driver, sandbox, ifname);
  await driver.removeStale(ENGINE);
  return { value: undefined, notices: [] };
}

/** Finds the endpoint of an equal request. If it is incomplete, removes what a kill left. */
async function findConnected(
  driver: EngineDriver,
  request: SetupRequest,
): Promise<Outcome<MadeEndpoint> | undefined> {
  const { name, path, connection: { ifname } } = request.attachment;
  return await unlessError(["sandbox-not-found"], async () => {
    const [sandbox] = await driver.seeSandboxes([name]);
    if (sandbox!.path !== path) await driver.removeSandbox(name);
    const endpoint = sandbox!.endpoints.find((each) => each.ifname === ifname);
    // An endpoint of another request stays, and the driver refuses this request.
    if (sandbox!.path !== path || !endpoint || !isAskedFor(endpoint, request)) return undefined;
    if (endpoint.state === "up") return { value: endpoint, notices: [] };
    await detach(driver, name, ifname);
  });
}
