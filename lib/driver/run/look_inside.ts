import { isNoNamespace } from "../../iproute2/errors.ts";
import { look } from "../../iproute2/view.ts";
import type { Namespaces } from "./namespaces.ts";
import type { SeenNamespace } from "../model/facts.ts";
import { isIpvlanError } from "../../base/errors.ts";

/** Looks into a sandbox's namespace. Resolves to `undefined` if its name is that of no namespace. */
export async function lookInside(
  namespaces: Namespaces,
  sandbox: string,
): Promise<SeenNamespace | undefined> {
  const place = { netns: sandbox, ip: namespaces.inside(sandbox), run: namespaces.run };
  try {
    return await look(place, { links: true, addrs: true, routes: "main" });
  } catch (error) {
    if (isIpvlanError(error, "namespace-not-found") || isNoNamespace(error)) return undefined;
    throw error;
  }
}
