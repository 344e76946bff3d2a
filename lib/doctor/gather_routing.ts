import { findFiles } from "../driver/run/files.ts";
import { Shell } from "../iproute2/shell.ts";

/** Prints the `comm` files of FRR's zebra and of BIRD; BIRD 1 has another program for IPv6. */
const FIND = "grep -lxE 'zebra|bird6?' /proc/[0-9]*/comm";

/**
 * Names the routing daemons in this network namespace. It includes daemons whose namespace this
 * user may not see.
 */
export async function findRoutingDaemons(signal: AbortSignal | undefined): Promise<string[]> {
  await using shell = new Shell({ signal });
  const folders = (await shell.run(FIND, [])).out.map((path) => path.replace(/\/comm$/, ""));
  if (folders.length === 0) return [];
  const files = ["/proc/self", ...folders].map((folder) => `${folder}/ns/net`);
  const [own, ...others] = await findFiles(shell.run, ...files);
  const elsewhere = others.filter(({ ino }) => ino !== own?.ino).map(({ path }) => path);
  const here = folders.filter((folder) => !elsewhere.includes(`${folder}/ns/net`));
  const { out } = await shell.run(
    `cat ${here.map((each) => `${each}/comm`).join(" ")} < /dev/null`,
    [],
  );
  return [...new Set(out)].sort();
}
