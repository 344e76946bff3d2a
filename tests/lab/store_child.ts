/**
 * Opens a new store in each of many folders, each at a time that is given, so that several processes
 * do it at once: `store_child.ts FOLDER START COUNT INTERVAL`.
 *
 * @module
 */
import { Store } from "../../lib/driver/store/store.ts";

const [folder, start, count, interval] = Deno.args;
for (let number = 0; number < Number(count); number++) {
  while (Date.now() < Number(start) + number * Number(interval));
  Store.open(`${folder}/${number}`)[Symbol.dispose]();
}
