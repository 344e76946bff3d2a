import { assertEquals } from "@std/assert";
import type { SandboxDetails } from "../../../lib/driver/model/types.ts";
import { neighbourOf, targetsOf } from "../../../lib/site/checks.ts";
import { parseCheck } from "../../../lib/site/judge.ts";
import { network, plainEndpoint, sandboxRecord } from "../../kit/values.ts";

/** A sandbox with endpoints: `eth0 web 10.0.0.1/24 fd00::1/64 alias`, each part as it looks. */
function sandbox(name: string, ...endpoints: string[]): SandboxDetails {
  return {
    ...sandboxRecord(name),
    namespace: "made",
    endpoints: endpoints.map((text) => {
      const [ifname = "", network = "", ...more] = text.split(" ");
      return plainEndpoint(name, network, {
        ifname,
        ip: more.find((part) => /^\d.*\//.test(part)),
        ip6: more.find((part) => part.includes(":")),
        aliases: more.filter((part) => !part.includes("/")),
      });
    }),
  };
}

const SANDBOXES = [
  sandbox("a", "eth0 web 10.0.0.1/24 fd00::1/64", "eth1 lan 10.1.0.1/24"),
  sandbox("b", "eth0 far 10.9.0.2/24", "eth1 lan 10.1.0.2/24 db", "eth2 web fd00::2/64 db"),
  sandbox("c", "eth0 web 10.0.0.3/24"),
  sandbox("d"),
];

const TARGETS: [check: string, ...targets: string[]][] = [
  ["a reaches b", "10.1.0.2 of b", "fd00::2 of b", "10.9.0.2 of b"],
  ["web a reaches b", "fd00::2 of b", "10.9.0.2 of b", "10.1.0.2 of b"],
  ["a reaches b by ip", "10.1.0.2 of b", "10.9.0.2 of b"],
  ["a reaches b by ip6", "fd00::2 of b"],
  ["a reaches db", "10.1.0.2 of b", "fd00::2 of b"],
  ["b reaches a", "10.0.0.1 of a", "fd00::1 of a", "10.1.0.1 of a"],
  ["c reaches a by ip6", "fd00::1 of a"],
  ["nobody reaches c", "10.0.0.3 of c"],
  ["a reaches d"],
  ["a reaches 10.0.0.3", "10.0.0.3 of c"],
  ["a reaches 192.0.2.1", "192.0.2.1 of undefined"],
];

for (const [sentence, ...targets] of TARGETS) {
  Deno.test(`"${sentence}" is about ${targets.join(", ") || "no address"}`, () => {
    const found = targetsOf(parseCheck(sentence)!, SANDBOXES);
    assertEquals(found.map(({ address, sandbox }) => `${address} of ${sandbox}`), targets);
  });
}

const NEIGHBOURS: [from: string, dev: string | undefined, target: string, address: string][] = [
  // On the link that is asked on, or else on the first.
  ["a", undefined, "192.0.2.1", "fd00::2"],
  ["a", "eth0", "192.0.2.1", "fd00::2"],
  ["a", "eth1", "192.0.2.1", "10.1.0.2"],
  // Not the target itself on that link, but on another link it must answer.
  ["a", "eth0", "fd00::2", "10.0.0.3"],
  ["a", "eth1", "fd00::2", "10.1.0.2"],
  ["a", "eth1", "10.1.0.2", "fd00::2"],
  ["a", "eth0", "10.1.0.2", "fd00::2"],
  ["c", undefined, "10.0.0.1", "127.0.0.1"],
  ["c", "eth7", "10.0.0.1", "10.0.0.1"],
  ["d", undefined, "10.0.0.1", "127.0.0.1"],
];

for (const [from, dev, target, address] of NEIGHBOURS) {
  Deno.test(`that ${target} is silent to ${from} on ${dev}, ${address} has to answer`, () => {
    const networks = ["web", "lan", "far"].map((name) => network(name, { flag: "bridge" }));
    const place = { networks, sandboxes: SANDBOXES, host: undefined, signal: undefined };
    assertEquals(neighbourOf(from, dev, target, place), address);
  });
}

Deno.test("on a network that isolates its sandboxes, only its own address has to answer", () => {
  for (const flag of ["private", "vepa"] as const) {
    const networks = ["web", "lan"].map((name) => network(name, { flag }));
    const place = { networks, sandboxes: SANDBOXES, host: undefined, signal: undefined };
    assertEquals(neighbourOf("a", undefined, "192.0.2.1", place), "127.0.0.1");
  }
});
