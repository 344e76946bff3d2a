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
  throwProblems(await driver.problemsOf(request.spec));
  return { value: createAnswer(request), notices: [] };
}

/** Answers `setup`: connects a container to a network. A repeated request gets the same answer. */
export async function setUp(
  driver: EngineDriver,
  text: string,
  path: string,
): Promise<Outcome<StatusBlock>> {
  const { network, attachment, nameServers } = readSetup(text, path);
  await driver.removeStale(ENGINE);
  const outcome = await findConnected(driver, network.name, attachment) ??
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
  network: string,
  { name, path, connection: { ifname, ip, ip6 } }: SetupRequest["attachment"],
): Promise<Outcome<MadeEndpoint> | undefined> {
  try {
    const [sandbox] = await driver.seeSandboxes([name]);
    if (sandbox!.path !== path) {
      await driver.removeSandbox(name);
      return undefined;
    }
    const endpoint = sandbox!.endpoints.find((each) => each.ifname === ifname);
    if (!endpoint) return undefined;
    const isEqual = endpoint.network === network && isAddress(endpoint.ip, ip) &&
      isAddress(endpoint.ip6, ip6);
    if (isEqual && endpoint.state === "up") return { value: endpoint, notices: [] };
    // An endpoint of another request stays, and the driver refuses this request.
    if (isEqual) await detach(driver, name, ifname);
  } catch (error) {
    if (!isIpvlanError(error, "sandbox-not-found")) throw error;
  }
}

/** Whether an endpoint's address, given with its prefix length, is the one that was asked for. */
function isAddress(given: string | undefined, asked: string | undefined): boolean {
  return given?.split("/")[0] === asked;
}
