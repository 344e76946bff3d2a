import { assertEquals } from "@std/assert";
import {
  adoptSpec,
  borrowSpec,
  connectOptions,
  engineNetworkSpec,
  networkSpec,
  requireSpec,
  sandboxSpec,
} from "../../../../lib/driver/model/specs.ts";
import type { Reader } from "../../../../lib/base/reader.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

/** Asserts that a spec, as a script without types may give it, is refused with these sentences. */
function refuses<T>(reader: Reader<T>, spec: unknown, ...sentences: string[]): void {
  const code = sentences.length === 1 ? "invalid-field" : "problems";
  const { message } = assertThrowsError(() => requireSpec(reader, spec as T), code);
  assertEquals(message.split("\n"), sentences);
}

Deno.test("a field that there is not, or of another kind, is refused with its place", () => {
  refuses(
    networkSpec,
    {
      name: 5,
      parrent: "eth0",
      subnets: ["10.0.0.0/24", { gateway: "10.0.0.1" }],
      transient: true,
    },
    'The field parrent is "eth0", and should be left out (did you mean "parent"?)',
    "The field transient is true, and should be left out, as there is no such field",
    "The field name is 5, and should be a text",
    "The field subnets[1].subnet is missing, and should be a text",
  );
  refuses(
    engineNetworkSpec,
    { name: "cni:a", owner: {} },
    "The field owner.engine is missing, and should be one of docker, cni, netavark",
    "The field owner.id is missing, and should be a text",
  );
  const connections = [{ network: "web", ipv4: "10.0.0.7" }];
  const unknown =
    'The field connections[0].ipv4 is "10.0.0.7", and should be left out, as there is no such field';
  refuses(sandboxSpec, { name: "c1", connections }, unknown);
  refuses(adoptSpec, { name: "c1", connections }, unknown);
  refuses(
    sandboxSpec,
    { name: "c1", pid: 5 },
    "The field pid is 5, and should be left out, as there is no such field",
  );
  refuses(
    adoptSpec,
    { name: "c1", pid: "5" },
    'The field pid is "5", and should be a whole number',
  );
  refuses(
    borrowSpec,
    { name: "cni:1", pid: 5 },
    "The field pid is 5, and should be left out, as there is no such field",
    "The field owner is missing, and should be an object",
  );
  refuses(connectOptions, { aliases: "web" }, 'The field aliases is "web", and should be a list');
  refuses(
    connectOptions,
    { routes: [{ dst: 0 }] },
    "The field routes[0].dst is 0, and should be a text",
  );
  refuses(sandboxSpec, undefined, "The request is missing, and should be an object");
});

Deno.test("a field that is undefined counts as left out, and what is right is returned", () => {
  const spec = { name: "n", parrent: undefined, mtu: undefined, ipv6: undefined };
  assertEquals(requireSpec(networkSpec, spec), spec);
  assertEquals(requireSpec(connectOptions, {}), {});
  const owner = { engine: "cni", id: "a" } as const;
  const owned = { name: "cni:a", owner, transient: true, foreignAddresses: true } as const;
  assertEquals(requireSpec(engineNetworkSpec, owned), owned);
  const handedOver = { handOver: true } as const;
  assertEquals(requireSpec(connectOptions, handedOver), handedOver);
});
