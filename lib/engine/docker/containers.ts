import { IpvlanError } from "../../base/errors.ts";
import { DOCKER_SOCKET, get } from "./api.ts";
import { list, optional, readMessage, record } from "../json.ts";
import { object, text } from "../../base/reader.ts";

const containers = list(object({
  Names: list(text),
  NetworkSettings: object({ Networks: record(object({ EndpointID: optional(text) })) }),
}));

/** Gets the names of containers by the ids of their endpoints; none if Docker is slow to answer. */
export async function containerNames(socket = DOCKER_SOCKET): Promise<Map<string, string>> {
  try {
    // This request waits for no container, not even for one that Docker starts by a call to us.
    const body = await get(socket, "/containers/json", AbortSignal.timeout(2000));
    const pairs = readMessage(containers, body).flatMap(
      ({ Names, NetworkSettings: { Networks } }) => {
        // A name with a second slash is another container's name for it (--link).
        const name = Names.find((each) => /^\/[\w.-]+$/.test(each))?.slice(1) ?? "";
        return Object.values(Networks).map(({ EndpointID = "" }) => [EndpointID, name] as const);
      },
    );
    return new Map(pairs);
  } catch (error) {
    if (error instanceof IpvlanError) return new Map();
    throw error;
  }
}

/** Replaces ids of endpoints, which `docker ps` does not show, by names of containers: `docker:web`. */
export async function sayContainers(text: string, socket?: string): Promise<string> {
  const endpoint = /\bdocker:([0-9a-f]{64})\b/g;
  if (text.search(endpoint) < 0) return text;
  const names = await containerNames(socket);
  return text.replace(endpoint, (_, id) => `docker:${names.get(id) || id.slice(0, 12)}`);
}
