/**
 * A process of a host that takes one address, tells etcd, and prints it: `child.ts FOLDER PREFIX SUBNET
 * ENDPOINT`.
 *
 * @module
 */
import { openHost } from "./host.ts";

const [folder, prefix, subnet, endpoint] = Deno.args as [string, string, string, string];
using host = openHost("child", folder);
const { id } = await host.pools.join({ endpoints: [endpoint], prefix }, subnet, {});
console.log(await host.pools.take(id, { sandbox: String(Deno.pid) }));
await host.pools.settle();
