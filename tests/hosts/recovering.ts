/**
 * A process of a host that brings its records and etcd together: `recovering.ts FOLDER`.
 *
 * @module
 */
import { openHost } from "./host.ts";

const [folder = ""] = Deno.args;
using host = openHost("a", folder);
await host.pools.recover();
