/**
 * The netavark plugin for Podman: carries out its requests with the driver. `translate.ts` reads them
 * and makes the answers.
 *
 * @module
 */
import { type EngineDriver, type MadeEndpoint, type Outcome, settle } from "../../driver/mod.ts";
import { isIpvlanError, throwProblems } from "../../base/errors.ts";
import { attach, detach } from "../attachment.ts";
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

/** The engine's name in records. */
const ENGINE = "netavark";

/**
 * Answers `create`: checks a network. It is made only while a container is connected to it, as Podman
 * does not say when it removes a network.
 */
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
  const { sandbox, ifname } = readTeardown(text);
  await detach(driver, sandbox, ifname);
  await driver.removeStale(ENGINE);
  return { value: undefined, notices: [] };
}

/**
 * Finds the endpoint that an equal request has made, if it is complete. Removes an incomplete one, and
 * the sandbox of an earlier namespace, which the container no longer has, as Podman was killed.
 */
async function findConnected(
  driver: EngineDriver,
  request: SetupRequest,
): Promise<Outcome<MadeEndpoint> | undefined> {
  const { name, path, connection: { ifname } } = request.attachment;
  try {
    const [sandbox] = await driver.seeSandboxes([name]);
    if (sandbox!.path !== path) {
      await driver.removeSandbox(name);
      return undefined;
    }
    const endpoint = sandbox!.endpoints.find((each) => each.ifname === ifname);
    if (!endpoint) return undefined;
    const isEqual = isAskedFor(endpoint, request);
    if (isEqual && endpoint.state === "up") return { value: endpoint, notices: [] };
    // An endpoint of another request stays, and the driver refuses this request.
    if (isEqual) await detach(driver, name, ifname);
  } catch (error) {
    if (!isIpvlanError(error, "sandbox-not-found")) throw error;
  }
}
