import { isNoNamespace, NamespaceNotFoundError } from "../../iproute2/errors.ts";
import { look } from "../../iproute2/view.ts";
import type { Namespaces } from "./namespaces.ts";
import type { SeenNamespace } from "../model/facts.ts";

/** Looks into a sandbox's namespace. Resolves to `undefined` if there is none behind its name. */
export async function lookInside(
  namespaces: Namespaces,
  sandbox: string,
): Promise<SeenNamespace | undefined> {
  const place = { netns: sandbox, ip: namespaces.inside(sandbox), run: namespaces.run };
  try {
    return await look(place, { links: true, addrs: true, routes: "main" });
  } catch (error) {
    if (error instanceof NamespaceNotFoundError || isNoNamespace(error)) return undefined;
    throw error;
  }
}
