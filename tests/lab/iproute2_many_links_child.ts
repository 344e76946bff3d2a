// A program that makes 500 links in another namespace, in one turn of the event loop.
import { Ip } from "../../lib/iproute2/ip.ts";

const [from, netns] = Deno.args;
await using ip = await Ip.open({ netns: from });
await Promise.all(
  Array.from({ length: 500 }, (_, i) => ip.link.add({ type: "dummy", name: `d${i}`, netns })),
);
