import { assertEquals } from "@std/assert";
import { renderHosts } from "../../../lib/driver/hosts.ts";
import type { NamedEndpoint } from "../../../lib/driver/store.ts";

const HEAD = `# Written by ipvlan-kit; changes will be lost
127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
`;

function endpoint(sandbox: string, network: string, changes: Partial<NamedEndpoint> = {}) {
  return {
    ...{ id: `${sandbox}-${network}`, network, networkName: network, sandbox },
    ...{ ifname: "eth0", ordinal: 0, aliases: [], ...changes },
  };
}

Deno.test("a sandbox on no network knows itself by the loopback only", () => {
  assertEquals(renderHosts([]), HEAD);
});

Deno.test("each sandbox is found by name, aliases and name.network, in the order made", () => {
  const text = renderHosts([
    endpoint("c1", "db", { ip: "10.0.0.2", ip6: "fd00::2", aliases: ["master", "c1"] }),
    endpoint("c2", "db", { ip: "10.0.0.3", aliases: ["replica"] }),
    endpoint("c2", "web", { ip: "10.1.0.2" }),
    endpoint("c3", "web", { ip6: "fd01::9" }),
  ]);
  assertEquals(
    text,
    HEAD + `10.0.0.2 c1 master c1.db
fd00::2 c1 master c1.db
10.0.0.3 c2 replica c2.db
10.1.0.2 c2 c2.web
fd01::9 c3 c3.web
`,
  );
});
