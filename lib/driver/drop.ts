import { NamespaceNotFoundError } from "../iproute2/errors.ts";
import { linkDel } from "../iproute2/link.ts";
import type { DriverParts } from "./driver.ts";
import { temporaryName } from "./endpoint.ts";
import { aliasSteps } from "./network.ts";
import { isOurs, LINK_GROUP, standsOn } from "./parent.ts";
import { type EndpointRecord, withoutState } from "./store.ts";
import type { Network } from "./types.ts";

/**
 * Takes a network out of the kernel and off the record: it deletes the links that the driver made
 * and that no other network needs. A link that is not marked as the driver's is let be, even if the
 * record says otherwise: somebody made it anew since.
 */
export async function dropNetwork(parts: DriverParts, network: Network): Promise<void> {
  const { store, namespaces } = parts;
  const made = store.links();
  const others = store.networks().filter(({ id }) => id !== network.id).map(withoutState);
  const needed = (name: string) => others.some(({ parent }) => standsOn(parent, name, made));
  const mine = made.filter(({ name }) => standsOn(network.parent, name, made));
  const host = await namespaces.host();
  const ours = (await host.link.show({ group: LINK_GROUP })).filter(isOurs).map(({ name }) => name);
  const present = mine.filter(({ name }) => ours.includes(name));
  await namespaces.apply([
    // A link goes before the one below it.
    ...present.filter(({ name }) => !needed(name)).toReversed()
      .map(({ name }) => ({ line: linkDel(name) })),
    ...aliasSteps(present.filter(({ name }) => needed(name)), others, made),
  ]);
  store.transaction(() => {
    store.deleteNetwork(network.id);
    for (const { name } of mine) if (!needed(name)) store.deleteLink(name);
  });
}

/** Takes an endpoint out of its sandbox, under whichever name its link has, and off the record. */
export async function dropEndpoint(parts: DriverParts, endpoint: EndpointRecord): Promise<void> {
  const { store, namespaces } = parts;
  await ifThere(() =>
    namespaces.inside(endpoint.sandbox, async (ip) => {
      const names = [temporaryName(endpoint), endpoint.ifname];
      const links = await ip.link.show({ group: LINK_GROUP });
      const link = links.find(({ name }) => names.includes(name));
      if (link) await ip.link.del(link.name);
    })
  );
  store.deleteEndpoint(endpoint.id);
}

/**
 * Takes a sandbox out of the kernel and off the record. Its links are deleted one by one before its
 * namespace: that goes only when its last process has ended, and even then not at once, and so long
 * its addresses would not be free.
 */
export async function dropSandbox(parts: DriverParts, sandbox: string): Promise<void> {
  const { store, namespaces, hosts } = parts;
  await ifThere(async () => {
    await namespaces.inside(sandbox, async (ip) => {
      if ((await ip.link.show({ group: LINK_GROUP })).length > 0) {
        await ip.link.del({ group: LINK_GROUP });
      }
    });
    await (await namespaces.caller()).netns.del(sandbox);
  });
  await hosts.remove(sandbox);
  store.transaction(() => {
    for (const { id } of store.endpoints({ sandbox })) store.deleteEndpoint(id);
    store.deleteSandbox(sandbox);
  });
}

/** Runs what needs a sandbox's namespace; where that is gone, there is nothing to be done. */
async function ifThere(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof NamespaceNotFoundError)) throw error;
  }
}
