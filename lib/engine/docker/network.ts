/**
 * Docker's network driver: each call as calls of ours. Docker repeats a call whose answer it did not
 * get, so each has the same answer again.
 *
 * @module
 */
import type {
  AdoptSpec,
  Driver,
  Endpoint,
  EndpointRoute,
  Outcome,
  SandboxDetails,
} from "../../driver/mod.ts";
import { dirname } from "node:path";
import { routePrefix } from "../../driver/model/routes.ts";
import { invalidOption, isIpvlanError, throwProblems } from "../../base/errors.ts";
import { statOf } from "../../base/files.ts";
import { lookInto } from "../../iproute2/view.ts";
import { fromNetnsFolder } from "../../iproute2/words.ts";
import type { Handler, Handlers } from "./handlers.ts";
import {
  createEndpointAnswer,
  joinAnswer,
  type Named,
  readCreateEndpoint,
  readCreateNetwork,
  readEndpoint,
  readJoin,
  readNetwork,
} from "./translate.ts";

/** The answer of a call that has nothing to tell. */
const DONE = {};

/** A network is one machine's, and its addresses are the same for all that are on the wire. */
const CAPABILITIES = { Scope: "local", ConnectivityScope: "global" };

const createNetwork: Handler = async (driver, body, notify) => {
  const { spec, problems } = readCreateNetwork(body);
  // The driver's own objections come with those to the options, all at once.
  if (problems.length > 0) throwProblems([...problems, ...await driver.problemsOf(spec)]);
  try {
    const { notices } = await driver.createNetwork(spec);
    notices.forEach(notify);
  } catch (error) {
    const isRepeated = isIpvlanError(error, "network-exists") &&
      driver.findNetwork(spec.name)?.owner?.id === spec.owner?.id;
    if (!isRepeated) throw error;
  }
  return DONE;
};

const deleteNetwork: Handler = async (driver, body) => {
  const named = readNetwork(body);
  const { name } = named;
  if (!driver.findNetwork(name) || isAnother(driver, named)) return DONE;
  // Docker deletes a network only when it knows of no endpoint there: those on record are lost.
  await removeEndpoints(driver, driver.inspectNetwork(name).endpoints);
  await driver.removeNetwork(name);
  return DONE;
};

const createEndpoint: Handler = async (driver, body, notify) => {
  const spec = readCreateEndpoint(body);
  const network = readNetwork(body);
  const rule = "another one has the same first 12 digits";
  if (isAnother(driver, network)) throw invalidOption("network", network.owner.id, rule);
  const endpoint = findEndpoint(driver, spec) ?? await makeEndpoint(driver, spec, notify);
  return createEndpointAnswer(spec, endpoint);
};

async function makeEndpoint(
  driver: Driver,
  spec: AdoptSpec,
  notify: (sentence: string) => void,
): Promise<Endpoint> {
  await removeLost(driver, spec);
  try {
    const { value, notices } = await adopt(driver, spec);
    notices.forEach(notify);
    return value.endpoints[0]!;
  } catch (error) {
    // The call may have been repeated while the first one was under way.
    const made = findEndpoint(driver, spec);
    if (!made) throw error;
    return made;
  }
}

/**
 * Makes an endpoint. After a restart of the machine, the parent has to be made again first: Docker
 * keeps its networks, and does not create them again.
 */
async function adopt(driver: Driver, spec: AdoptSpec): Promise<Outcome<SandboxDetails>> {
  try {
    return await driver.adoptSandbox(spec);
  } catch (error) {
    if (!isIpvlanError(error, "ip-command")) throw error;
    await driver.restoreNetwork(spec.connections![0]!.network);
    return await driver.adoptSandbox(spec);
  }
}

/**
 * Removes the endpoints that have an address of a new one. Docker gives no address of a network
 * twice, so it has lost them: after it was killed, it does not tell the end of an endpoint.
 */
async function removeLost(driver: Driver, { connections }: AdoptSpec): Promise<void> {
  const { network = "", ip, ip6 } = connections?.[0] ?? {};
  if (!driver.findNetwork(network)) return;
  const isAt = (asked: string | undefined, found: string | undefined) =>
    asked !== undefined && found?.split("/")[0] === asked;
  const lost = driver.inspectNetwork(network).endpoints
    .filter((endpoint) => isAt(ip, endpoint.ip) || isAt(ip6, endpoint.ip6));
  await removeEndpoints(driver, lost);
}

const deleteEndpoint: Handler = async (driver, body) => {
  const { name } = readEndpoint(body);
  await removeEndpoints(driver, [{ sandbox: name }]);
  return DONE;
};

/** Whether there is another network instead, whose id has the same first 12 digits. */
function isAnother(driver: Driver, { name, owner }: Named): boolean {
  const found = driver.findNetwork(name);
  return found !== undefined && found.owner?.id !== owner.id;
}

/** Removes endpoints. It is no error if one of them is gone. */
async function removeEndpoints(
  driver: Driver,
  endpoints: readonly { sandbox: string }[],
): Promise<void> {
  for (const { sandbox } of endpoints) {
    try {
      await driver.removeSandbox(sandbox);
    } catch (error) {
      if (!isIpvlanError(error, "sandbox-not-found")) throw error;
    }
  }
}

/** The endpoint that a sandbox of Docker's stands for; `undefined` if there is none, or no whole one. */
function findEndpoint(driver: Driver, { name }: { name: string }): Endpoint | undefined {
  try {
    return driver.inspectSandbox(name).endpoints[0];
  } catch (error) {
    if (isIpvlanError(error, "sandbox-not-found", "half-done")) return undefined;
    throw error;
  }
}

const join: Handler = async (driver, body) => {
  const { name, path } = readJoin(body);
  const [endpoint] = driver.inspectSandbox(name).endpoints;
  const answer = joinAnswer(endpoint!, await routesAt(driver, path, name));
  await driver.setSandboxPath(name, path);
  return answer;
};

/**
 * The routes that a container has. When Docker starts one, it makes the namespace after the last Join:
 * then they are those that the other endpoints have given.
 */
async function routesAt(driver: Driver, path: string, own: string): Promise<EndpointRoute[]> {
  if (isMount(path)) {
    const { routes } = await lookInto(fromNetnsFolder(path), { routes: "main" });
    return routes.filter(({ type }) => type === "unicast")
      .map(({ dst, family, via }) => ({ dst: routePrefix(dst, family), via }));
  }
  return driver.listSandboxes().filter((other) => other.path === path && other.name !== own)
    .flatMap(({ endpoints }) => endpoints).flatMap(({ routes }) => routes);
}

/** Whether a file is on another device than its folder, as every namespace is that has a path. */
function isMount(path: string): boolean {
  const file = statOf(path);
  return file !== undefined && file.dev !== statOf(dirname(path))?.dev;
}

/**
 * Docker moves the link back into the host's namespace now. With `--live-restore` it has forgotten some
 * links: these stay in the container's namespace, which it keeps until DeleteEndpoint.
 */
const leave: Handler = (_driver, body) => {
  readEndpoint(body);
  return Promise.resolve(DONE);
};

const endpointInfo: Handler = (_driver, body) => {
  readEndpoint(body);
  return Promise.resolve({ Value: {} });
};

/** A call that is for drivers of another kind: those with ports to publish, or with peers to find. */
const nothing: Handler = () => Promise.resolve(DONE);

/** The calls of a network driver (moby's `daemon/libnetwork/docs/remote.md`). */
export const NETWORK_HANDLERS: Handlers = {
  "NetworkDriver.GetCapabilities": () => Promise.resolve(CAPABILITIES),
  "NetworkDriver.CreateNetwork": createNetwork,
  "NetworkDriver.DeleteNetwork": deleteNetwork,
  "NetworkDriver.CreateEndpoint": createEndpoint,
  "NetworkDriver.DeleteEndpoint": deleteEndpoint,
  "NetworkDriver.EndpointOperInfo": endpointInfo,
  "NetworkDriver.Join": join,
  "NetworkDriver.Leave": leave,
  "NetworkDriver.ProgramExternalConnectivity": nothing,
  "NetworkDriver.RevokeExternalConnectivity": nothing,
  "NetworkDriver.DiscoverNew": nothing,
  "NetworkDriver.DiscoverDelete": nothing,
};
