// What belongs to engines, as the command shows it and refuses to change it.
import { assertEquals } from "@std/assert";
import {
  inspectedNetwork,
  inspectedSandbox,
  networkColumns,
  networkFields,
  sandboxColumns,
} from "../../../lib/cli/docker/shape.ts";
import { type Fields, table } from "../../../lib/cli/docker/list.ts";
import { requireOwn } from "../../../lib/cli/errors.ts";
import type { Driver } from "../../../lib/driver/mod.ts";
import type { Network, Owner, SeenSandbox } from "../../../lib/driver/model/types.ts";
import { shortName } from "../../../lib/engine/owners.ts";
import { Template, toJson } from "../../../lib/template/mod.ts";
import { network, plainEndpoint, sandboxRecord } from "../../kit/values.ts";
import { assertThrowsError } from "../../kit/errors.ts";

const ID = "3e458d0718ee".padEnd(64, "0");
const ENDPOINT = "584b5d13892e".padEnd(64, "0");
const CONTAINER = "8fb5d13892e3".padEnd(64, "0");

function owned(name: string, engine: Owner["engine"], id: string): Network {
  return { ...network("n"), name, owner: { engine, id } };
}

const NETWORKS = [
  owned("cni:lan", "cni", "lan"),
  owned("docker:3e458d0718ee", "docker", ID),
  owned("netavark:l2net", "netavark", ID),
  network("web"),
];

function seen(name: string, owner?: Owner): SeenSandbox {
  const endpoint = plainEndpoint(name, "n", { ip: "10.0.0.2/24" });
  const endpoints = [{ ...endpoint, state: "up" as const, changes: [] }];
  return { ...sandboxRecord(name), state: "up", endpoints, ...owner && { owner } };
}

const SANDBOXES = [
  seen("c1"),
  seen(`netavark:${CONTAINER}`, { engine: "netavark", id: CONTAINER }),
  seen(`docker:${ENDPOINT}`, { engine: "docker", id: ENDPOINT }),
];

/** The rows of a table, as printed. */
function printed<T>(rows: readonly T[], columns: Fields<T>): string[] {
  const cells = rows.map((row) => Object.values(columns).map((cell) => String(cell(row))));
  return table(Object.keys(columns), cells).split("\n");
}

Deno.test("network ls has a column of owners only if there is one", () => {
  const id = ({ id }: Network) => id.slice(0, 4);
  assertEquals(printed(NETWORKS, networkColumns(NETWORKS, id)), [
    "NETWORK ID   NAME                  DRIVER   MODE   PARENT   SUBNETS          OWNER",
    "n000         cni:lan               ipvlan   l2     eth0     192.168.1.0/24   CNI lan",
    "n000         docker:3e458d0718ee   ipvlan   l2     eth0     192.168.1.0/24   Docker 3e458d0718ee",
    "n000         netavark:l2net        ipvlan   l2     eth0     192.168.1.0/24   Podman 3e458d0718ee",
    "web0         web                   ipvlan   l2     eth0     192.168.1.0/24",
  ]);
  const own = NETWORKS.slice(3);
  assertEquals(printed(own, networkColumns(own, id))[0]!.endsWith("SUBNETS"), true);
});

Deno.test("ps has a column of owners only if there is one, and shows ids as the engines do", () => {
  const rows = (
    containers: Map<string, string>,
    name = ({ name }: SeenSandbox) => shortName(name),
  ) =>
    printed(SANDBOXES, sandboxColumns(SANDBOXES, name, containers))
      .map((line) => line.replace(/ {2,}.* {3}(?=NETWORKS|n )/, " … "));
  assertEquals(rows(new Map([[ENDPOINT, "web"]])), [
    "NAME … NETWORKS        OWNER",
    "c1 … n 10.0.0.2/24",
    "netavark:8fb5d13892e3 … n 10.0.0.2/24   Podman 8fb5d13892e3",
    "docker:584b5d13892e … n 10.0.0.2/24   Docker web",
  ]);
  const whole = rows(new Map(), ({ name }) => name);
  assertEquals(whole.slice(2), [
    `netavark:${CONTAINER} … n 10.0.0.2/24   Podman 8fb5d13892e3`,
    `docker:${ENDPOINT} … n 10.0.0.2/24   Docker 584b5d13892e`,
  ]);
  const own = SANDBOXES.slice(0, 1);
  assertEquals("OWNER" in sandboxColumns(own, ({ name }) => name, new Map()), false);
});

Deno.test("only a whole id is cut, and only an engine's", () => {
  for (const name of ["web", "docker:web", "cni:abc", `cni:${"g".repeat(64)}`, "a".repeat(64)]) {
    assertEquals(shortName(name), name);
  }
  assertEquals(shortName(`cni:${CONTAINER}`), "cni:8fb5d13892e3");
});

Deno.test("inspect shows the owner with the engine's id, and nothing where there is none", () => {
  const shownNetwork = (each: Network) => inspectedNetwork({ ...each, endpoints: [] }, []);
  const print = (template: string, value: ReturnType<typeof shownNetwork>) =>
    new Template(template).print(value);
  assertEquals(
    print("{{json .Owner}}", shownNetwork(NETWORKS[1]!)),
    `{"Engine":"docker","Id":"${ID}"}`,
  );
  assertEquals(print("[{{.Owner.Engine}}]", shownNetwork(NETWORKS[3]!)), "[]");
  assertEquals(toJson(shownNetwork(NETWORKS[3]!)).includes("Owner"), false);
  const path = "/run/netns/netns-1";
  const shown = inspectedSandbox({ ...SANDBOXES[1]!, path }, () => undefined, []);
  assertEquals(
    print("{{.Owner.Id}} {{.NetworkSettings.SandboxKey}} {{.HostsPath}}.", shown),
    `${CONTAINER} ${path} .`,
  );
  assertEquals(networkFields(() => "id").Owner!(NETWORKS[2]!), "netavark");
});

Deno.test("what an engine owns is refused, with the line that removes it", () => {
  const driver = {
    listNetworks: () => NETWORKS,
    listSandboxes: () => SANDBOXES,
  } as unknown as Driver;
  const refused = (names: Parameters<typeof requireOwn>[1], message: string) =>
    assertThrowsError(() => requireOwn(driver, names), "owned-by-engine", message);
  refused(
    { networks: ["docker:3e458d0718ee"] },
    'The network "docker:3e458d0718ee" belongs to Docker, which alone changes it; to remove it: ' +
      "docker network rm 3e458d0718ee",
  );
  refused({ networks: ["web", "netavark:l2net"] }, "to remove it: podman network rm l2net");
  refused({ networks: ["cni:lan"] }, "remove the containers or pods on it");
  refused(
    { sandboxes: [`netavark:${CONTAINER}`] },
    "to remove it: podman rm --force 8fb5d13892e3",
  );
  refused(
    { sandboxes: ["docker:584b5d13892e"] },
    `The sandbox "docker:${ENDPOINT}" belongs to Docker`,
  );
  assertThrowsError(
    () => requireOwn(driver, { networks: ["cni:lan"], sandboxes: [`netavark:${CONTAINER}`] }),
    "problems",
  );
  requireOwn(driver, { networks: ["web", "no:such"], sandboxes: ["c1", "constructor"] });
});
