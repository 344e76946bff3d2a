// The network driver for Docker. A call that Docker repeats gets the same answer again.
import type {
  BorrowSpec,
  Endpoint,
  EndpointRoute,
  EngineDriver,
  Outcome,
  SandboxDetails,
} from "../../driver/mod.ts";
import { dirname } from "node:path";
import { routePrefix } from "../../driver/model/routes.ts";
import { invalidOption, isIpvlanError, throwProblems, unlessError } from "../../base/errors.ts";
import { bareAddresses, endpointAddresses } from "../../ipam/address.ts";
import { statOf } from "../../base/files.ts";
import { lookInto } from "../../iproute2/view.ts";
import { fromNetnsFolder } from "../../iproute2/words.ts";
import { findSandbox } from "../attachment.ts";
import { DONE, type Handler, type Handlers } from "./handlers.ts";
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

/** A network belongs to one machine, but its addresses are valid on the whole LAN. */
const CAPABILITIES = { Scope: "local", ConnectivityScope: "global" };

const createNetwork: Handler = async (driver, body, notify) => {
  const { spec, problems } = readCreateNetwork(body);
  // The error has the driver's problems too, and not only those of the options.
  if (problems.length > 0) throwProblems([...problems, ...await driver.problemsOf([spec])]);
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
  // Docker deletes a network only if it knows no endpoint there, so it has lost those on record.
  await removeEndpoints(driver, driver.inspectNetwork(name).endpoints);
  await driver.removeNetwork(name);
  return DONE;
};

const createEndpoint: Handler = async (driver, body, notify) => {
  const spec = readCreateEndpoint(body);
  const network = readNetwork(body);
  const rule = "another one has the same first 12 digits";
  if (isAnother(driver, network)) throw invalidOption("network", network.owner.id, rule);
  const endpoint = await findEndpoint(driver, spec) ?? await makeEndpoint(driver, spec, notify);
  return createEndpointAnswer(spec, endpoint);
};

async function makeEndpoint(
  driver: EngineDriver,
  spec: BorrowSpec,
  notify: (sentence: string) => void,
): Promise<Endpoint> {
  await removeHolders(driver, spec);
  try {
    const { value, notices } = await adopt(driver, spec);
    notices.forEach(notify);
    return value.endpoints[0]!;
  } catch (error) {
    // Docker may have repeated the call while the first one was running.
    const made = await findEndpoint(driver, spec);
    if (!made) throw error;
    return made;
  }
}

/** Makes an endpoint, and first its parent anew after a restart, as Docker keeps its networks. */
async function adopt(driver: EngineDriver, spec: BorrowSpec): Promise<Outcome<SandboxDetails>> {
  const made = await unlessError(["ip-command"], () => driver.borrowSandbox(spec));
  if (made) return made;
  await driver.restoreNetwork(spec.connections![0]!.network);
  return await driver.borrowSandbox(spec);
}

/** Removes endpoints with an address of a new one: Docker lost them when it was killed. */
async function removeHolders(driver: EngineDriver, { connections }: BorrowSpec): Promise<void> {
  const { network = "", ...asked } = connections?.[0] ?? {};
  if (!driver.findNetwork(network)) return;
  const lost = driver.inspectNetwork(network).endpoints.filter((endpoint) =>
    bareAddresses(endpoint).some((address) => endpointAddresses(asked).includes(address))
  );
  await removeEndpoints(driver, lost);
}

const deleteEndpoint: Handler = async (driver, body) => {
  await removeEndpoints(driver, [{ sandbox: readEndpoint(body).name }]);
  return DONE;
};

/** Whether the name belongs to another network, whose id has the same first 12 digits. */
function isAnother(driver: EngineDriver, { name, owner }: Named): boolean {
  const found = driver.findNetwork(name);
  return found !== undefined && found.owner?.id !== owner.id;
}

/** Removes endpoints. One that is gone is no error. */
async function removeEndpoints(
  driver: EngineDriver,
  endpoints: readonly { sandbox: string }[],
): Promise<void> {
  for (const { sandbox } of endpoints) {
    await unlessError(["sandbox-not-found"], () => driver.removeSandbox(sandbox));
  }
}

/** Finds the endpoint of a sandbox; `undefined` if it does not exist or is not complete. */
async function findEndpoint(driver: EngineDriver, { name }: { name: string }) {
  return (await findSandbox(driver, name))?.endpoints[0];
}

const join: Handler = async (driver, body) => {
  const { name, path } = readJoin(body);
  const [endpoint] = driver.inspectSandbox(name).endpoints;
  const answer = joinAnswer(endpoint!, await routesAt(driver, path, name));
  await driver.setSandboxPath(name, path);
  return answer;
};

/** Finds the routes of a container; before its last Join, those of its other endpoints. */
async function routesAt(driver: EngineDriver, path: string, own: string): Promise<EndpointRoute[]> {
  if (isMount(path)) {
    const { routes } = await lookInto(fromNetnsFolder(path), { routes: "main" });
    return routes.filter(({ type }) => type === "unicast")
      .map(({ dst, family, via }) => ({ dst: routePrefix(dst, family), via }));
  }
  return driver.listSandboxes().filter((other) => other.path === path && other.name !== own)
    .flatMap(({ endpoints }) => endpoints).flatMap(({ routes }) => routes);
}

/** Whether a file is on another device than its folder, as the file of a namespace is. */
function isMount(path: string): boolean {
  const file = statOf(path);
  return file !== undefined && file.dev !== statOf(dirname(path))?.dev;
}

/** Answers a call about an endpoint for which there is nothing to do. */
function endpointAnswer(answer: unknown): Handler {
  return (_driver, body) => {
    readEndpoint(body);
    return Promise.resolve(answer);
  };
}

/** Ignores a call that is for other kinds of drivers: they publish ports, or discover peers. */
const nothing: Handler = () => Promise.resolve(DONE);

/** The calls of a network driver (moby's `daemon/libnetwork/docs/remote.md`). */
export const NETWORK_HANDLERS: Handlers = {
  "NetworkDriver.GetCapabilities": () => Promise.resolve(CAPABILITIES),
  "NetworkDriver.CreateNetwork": createNetwork,
  "NetworkDriver.DeleteNetwork": deleteNetwork,
  "NetworkDriver.CreateEndpoint": createEndpoint,
  "NetworkDriver.DeleteEndpoint": deleteEndpoint,
  "NetworkDriver.EndpointOperInfo": endpointAnswer({ Value: {} }),
  "NetworkDriver.Join": join,
  // Docker itself moves the link back into the host's namespace after that. Links that it has forgotten
  // (`--live-restore`) stay in the container's namespace until DeleteEndpoint.
  "NetworkDriver.Leave": endpointAnswer(DONE),
  "NetworkDriver.ProgramExternalConnectivity": nothing,
  "NetworkDriver.RevokeExternalConnectivity": nothing,
  "NetworkDriver.DiscoverNew": nothing,
  "NetworkDriver.DiscoverDelete": nothing,
};
