import { loadImage } from "./daemon.ts";
import { succeed } from "../program.ts";

/**
 * Loads the image into Podman. At the end of the scope, all containers and networks of Podman's are
 * removed.
 */
export async function withPodman(): Promise<AsyncDisposable> {
  await loadImage("podman", "load", "--quiet", "--input");
  return {
    [Symbol.asyncDispose]: async () => {
      await succeed("podman", "rm", "--force", "--all", "--time=0");
      await succeed("podman", "network", "prune", "--force");
    },
  };
}
