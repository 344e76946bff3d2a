import { assert, assertEquals } from "@std/assert";
import { DRIVER_OPTIONS } from "../../../../lib/driver/model/options.ts";
import {
  decideMigration,
  DOCKERS,
  type Migration,
  readContainer,
  readMigration,
  type Step,
  stepsTo,
} from "../../../../lib/engine/docker/migration.ts";
import { readNetworks } from "../../../../lib/engine/docker/api.ts";
import { attempt } from "../../../../lib/base/errors.ts";
import { readMessage } from "../../../../lib/engine/json.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

const ID = "309f4f7b333d".padEnd(64, "0");
const PLUGIN = "ipvlan-kit";

/** A network as Docker 26.1 shows it, with other fields in place of some. */
function network(fields: object = {}) {
  return {
    Name: "db",
    Id: ID,
    Scope: "local",
    Driver: DOCKERS,
    EnableIPv6: false,
    IPAM: {
      Driver: "default",
      Options: {},
      Config: [{ Subnet: "192.168.1.0/24", AuxiliaryAddresses: { x: "192.168.1.77" } }],
    },
    Internal: false,
    Attachable: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Options: { parent: "eth0" },
    Labels: { a: "b c" },
    ...fields,
  };
}

/** An endpoint as Docker shows it, and takes it. */
interface Endpoint {
  IPAMConfig: { IPv4Address?: string } | null;
  IPAddress?: string;
}

/** A container as Docker 26.1 shows it. One that runs has an address of its number. */
function container(
  number: number,
  Status: "running" | "exited" | "created" | "paused",
  { endpoint = {}, host = {} }: { endpoint?: object | null; host?: object } = {},
) {
  const Running = Status === "running" || Status === "paused";
  const db = {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    DriverOpts: null,
    NetworkID: Status === "created" ? "" : ID,
    IPAddress: Running ? `192.168.1.${number}` : "",
    GlobalIPv6Address: "",
    ...endpoint,
  };
  return {
    Id: `${number}`.repeat(64),
    Name: `/c${number}`,
    State: {
      Status,
      Running,
      StartedAt: Status === "created" ? "0001-01-01T00:00:00Z" : `2026-12-01T23:23:0${number}.5Z`,
    },
    HostConfig: { NetworkMode: "db", AutoRemove: false, ...host },
    NetworkSettings: { Networks: (endpoint ? { db } : {}) as { db?: Endpoint } },
  };
}

const networksOf = (...networks: unknown[]) => readMessage(readNetworks, networks);
const containersOf = (...containers: unknown[]) =>
  containers.map((each) => readMessage(readContainer, each));

/** Decides the migration of "db". */
function decide(networks: unknown[], ...containers: unknown[]) {
  return decideMigration("db", networksOf(...networks), containersOf(...containers), []);
}

/** The reasons against a migration. */
function reasons(networks: unknown[], ...containers: unknown[]): string[] {
  const decided = attempt(() => decide(networks, ...containers));
  const problems = decided.ok ? decided.value.problems : decided.problems;
  return problems.map(({ message }) => message.replace('The network "db" is not migrated: ', ""));
}

Deno.test("what cannot be migrated is said at once, with what to do", () => {
  const kinds: [fields: object, reason: string][] = [
    [{ Driver: "bridge" }, "its driver is bridge, and not ipvlan"],
    [{ Driver: PLUGIN }, "its driver is ipvlan-kit already"],
    [{ Driver: `${PLUGIN}:latest` }, "its driver is ipvlan-kit:latest already"],
    [{ Scope: "swarm" }, "it belongs to a swarm, which makes it on each node"],
    [
      { ConfigOnly: true, Driver: "null" },
      "it is only a template of other networks (--config-only)",
    ],
    [{ ConfigFrom: { Network: "cfg" } }, "its template is cfg (--config-from)"],
  ];
  for (const [fields, reason] of kinds) assertEquals(reasons([network(fields)]), [reason]);
  assertEquals(reasons([network(), network({ Id: "1" })]), [
    "several networks have this name or id",
  ]);
  assertEquals(
    reasons(
      [network({ Options: { parent: "eth0", foo: "bar" } })],
      container(1, "running", { host: { AutoRemove: true } }),
      container(2, "paused"),
      container(3, "exited", { host: { NetworkMode: ID.slice(0, 12), AutoRemove: true } }),
      container(4, "created", { endpoint: { DriverOpts: { a: "b", "com.docker.c": "d" } } }),
      container(5, "running", {
        endpoint: null,
        host: { NetworkMode: `container:${"1".repeat(64)}` },
      }),
      container(6, "exited", {
        endpoint: null,
        host: { NetworkMode: `container:${"1".repeat(64)}` },
      }),
      container(7, "running", { endpoint: null, host: { NetworkMode: ID } }),
    ),
    [
      "the container c4 has driver options: a",
      "the container c1 is removed when it stops (--rm): stop it first",
      "the container c1 has c5 in its namespace: stop those first",
      "the container c2 is paused: let it run, or stop it",
      "the container c3 has the network by its id, which changes: make it again with --net=db",
      `The driver option "foo=bar" is not valid: choose one of ${DRIVER_OPTIONS.join(", ")}`,
    ],
  );
});

Deno.test("a sub-interface that others use, too, is not taken from them", () => {
  const ours = [{ name: "a", parent: "eth0" }, { name: "b", parent: "eth0.20" }, {
    name: "c",
    parent: "eth0.20.3",
  }];
  const problems = (parent: string) =>
    decideMigration("db", networksOf(network({ Options: { parent } })), [], ours)
      .problems.map(({ message }) => message);
  assertEquals(problems("eth0"), []);
  assertEquals(problems("eth0.2"), []);
  assertEquals(problems("eth0.20"), [
    'The network "db" is not migrated: b, c may lose the parent eth0.20 with it: remove that ' +
    "network first",
  ]);
});

Deno.test("a network is found by its name, or by the first digits of its id", () => {
  const networks = networksOf(network({ Name: "309f", Id: "9".repeat(64) }), network());
  for (const [asked, Name] of [["db", "db"], ["309f4", "db"], [ID, "db"], ["309f", "309f"]]) {
    assertEquals(decideMigration(asked!, networks, [], []).migration.network.Name, Name);
  }
  const both = [...networks, ...networksOf(network({ Name: "c", Id: `${ID}1` }))];
  const message = "several networks have this name or id";
  assertThrowsError(() => decideMigration("30", both, [], []), "docker-migrate", message);
  for (const asked of ["", "d", "309f5"]) {
    const { known } = assertThrowsError(
      () => decideMigration(asked, networks, [], []),
      "network-not-found",
    );
    assertEquals(known, ["309f", "db"]);
  }
  // Docker takes a name before an id, also for a container's network.
  const host = { NetworkMode: "db" };
  const Id = "db".padEnd(64, "0");
  const named = container(1, "running", { host, endpoint: { NetworkID: Id } });
  assertEquals(reasons([network({ Id })], named), []);
});

Deno.test("the network and the endpoints are made with all that they had", () => {
  const IPAM = {
    Driver: "x",
    Options: { o: "p" },
    Config: [
      { Subnet: "192.168.1.0/24", IPRange: "192.168.1.64/27", Gateway: "192.168.1.1" },
      { Subnet: "2001:db8::/64", AuxiliaryAddresses: { y: "2001:db8::9" } },
    ],
  };
  const all = { EnableIPv4: false, EnableIPv6: true, Internal: true, Attachable: true, IPAM };
  const endpoint = {
    IPAMConfig: { IPv6Address: "2001:db8::7", LinkLocalIPs: ["169.254.1.1"] },
    GlobalIPv6Address: "2001:db8::7",
    Aliases: ["www", "1".repeat(12)],
    Links: ["c2:two"],
    DriverOpts: { "com.docker.c": "d" },
    GwPriority: 9,
  };
  const networks = [network(all)];
  const containers = [container(1, "running", { endpoint })];
  const { migration, spec, problems } = decide(networks, ...containers);
  assertEquals(problems, []);
  assertEquals([spec.parent, spec.internal, spec.subnets?.length], ["eth0", true, 2]);
  const steps = stepsTo(PLUGIN, migration, networksOf(...networks), containersOf(...containers));
  assertEquals(steps.map(({ line }) => line), [
    "docker stop c1",
    "docker network disconnect db c1",
    "docker network rm db",
    "docker network create --driver=ipvlan-kit --ipv4=false --ipv6 --internal --attachable " +
    "--ipam-driver=x --ipam-opt=o=p --subnet=192.168.1.0/24 --subnet=2001:db8::/64 " +
    "--ip-range=192.168.1.64/27 --gateway=192.168.1.1 --aux-address=y=2001:db8::9 " +
    "--opt=parent=eth0 '--label=a=b c' db",
    "docker network connect --ip=192.168.1.1 --ip6=2001:db8::7 --link-local-ip=169.254.1.1 " +
    "--link=c2:two --alias=www --driver-opt=com.docker.c=d --gw-priority=9 db c1",
    "docker start c1",
  ]);
  const Config = IPAM.Config.map((each) => ({ AuxiliaryAddresses: {}, ...each }));
  const { Options, Labels } = network();
  assertEquals(steps[3]!.calls, [{
    path: "/networks/create",
    body: {
      ...{ Name: "db", Driver: PLUGIN, CheckDuplicate: true, ...all },
      ...{ IPAM: { ...IPAM, Config }, Options, Labels },
    },
  }]);
  assertEquals(steps[4]!.calls, [{
    path: "/networks/db/connect",
    body: {
      Container: "1".repeat(64),
      EndpointConfig: {
        IPAMConfig: { ...endpoint.IPAMConfig, IPv4Address: "192.168.1.1" },
        ...{ Links: ["c2:two"], Aliases: ["www"], DriverOpts: { "com.docker.c": "d" } },
        GwPriority: 9,
      },
    },
  }]);
});

/** What a call brings along. */
interface Body {
  Driver: string;
  Container: string;
  EndpointConfig: Endpoint;
}

/** What a Docker has: the driver of "db", if it exists, and its containers. */
class FakeDocker {
  driver: string | undefined = DOCKERS;
  readonly containers = new Map<string, ReturnType<typeof container>>();

  /** Makes it with containers. */
  constructor(...containers: ReturnType<typeof container>[]) {
    for (const each of containers) this.containers.set(each.Id, each);
  }

  look(): [networks: ReturnType<typeof networksOf>, containers: ReturnType<typeof containersOf>] {
    const networks = this.driver === undefined ? [] : [network({ Driver: this.driver })];
    return [networksOf(...networks), containersOf(...this.containers.values())];
  }

  /** The driver, and whether each container runs, with its address. */
  get summary(): unknown[] {
    return [
      this.driver,
      ...this.containers.values().map(({ State: { Running }, NetworkSettings: { Networks } }) => [
        Running,
        Networks.db?.IPAddress || Networks.db?.IPAMConfig?.IPv4Address,
      ]),
    ];
  }

  run({ calls }: Step): void {
    for (const { method, path, body } of calls) this.#call(method, path, body as Body);
  }

  #call(method: string | undefined, path: string, body: Body): void {
    const [, kind, name = "", verb] = path.split("/");
    if (kind === "networks" && verb === undefined) {
      if (method === "DELETE") {
        assert(this.driver !== undefined);
        assert(this.containers.values().every(({ NetworkSettings: n }) => !n.Networks.db));
        this.driver = undefined;
      } else {
        assert(name === "create" && this.driver === undefined);
        this.driver = body.Driver;
      }
      return;
    }
    const found = this.containers.get(kind === "networks" ? body.Container : name)!;
    const { State, NetworkSettings } = found;
    if (kind === "networks") {
      assert(!State.Running && this.driver !== undefined);
      assertEquals(NetworkSettings.Networks.db === undefined, verb === "connect", path);
      NetworkSettings.Networks = verb === "connect" ? { db: { ...body.EndpointConfig } } : {};
      return;
    }
    State.Running = verb === "start";
    State.Status = State.Running ? "running" : "exited";
    const { db } = NetworkSettings.Networks;
    if (db) db.IPAddress = State.Running ? db.IPAMConfig?.IPv4Address ?? "other" : "";
  }
}

Deno.test("a migration that is killed at any step, and so is the way back, ends as it began", () => {
  const make = () =>
    new FakeDocker(
      container(1, "running"),
      container(2, "exited", { endpoint: { IPAMConfig: { IPv4Address: "192.168.1.9" } } }),
      container(3, "running", { endpoint: { Aliases: ["www"] } }),
      container(4, "created"),
    );
  const old = make();
  const { migration: decided } = decideMigration("db", ...old.look(), []);
  const migration: Migration = readMessage(readMigration, JSON.parse(JSON.stringify(decided)));
  const forward = stepsTo(PLUGIN, migration, ...old.look());
  assertEquals(forward.map(({ line }) => line.split(" ").slice(0, 3).join(" ")), [
    "docker stop c1",
    ...Array(4).fill("docker network disconnect"),
    "docker network rm",
    "docker network create",
    ...Array(4).fill("docker network connect"),
    ...["docker start c1", "docker start c3"],
  ]);
  for (let killed = 0; killed <= forward.length; killed++) {
    for (let again = 0;; again++) {
      const docker = make();
      for (const step of forward.slice(0, killed)) docker.run(step);
      const isComplete = stepsTo(PLUGIN, migration, ...docker.look()).length === 0;
      assertEquals(isComplete, killed === forward.length);
      const back = stepsTo(DOCKERS, migration, ...docker.look(), true);
      for (const step of back.slice(0, again)) docker.run(step);
      for (const step of stepsTo(DOCKERS, migration, ...docker.look(), true)) docker.run(step);
      assertEquals(docker.summary, old.summary, `${killed} ${again}`);
      if (again >= back.length) break;
    }
  }
  const docker = make();
  for (const step of forward) docker.run(step);
  assertEquals(docker.summary, [PLUGIN, ...old.summary.slice(1)]);
});

Deno.test("a container that is gone meanwhile, or was stopped by its user, is left alone", () => {
  const docker = new FakeDocker(container(1, "running"), container(2, "running"));
  const { migration } = decideMigration("db", ...docker.look(), []);
  for (const step of stepsTo(PLUGIN, migration, ...docker.look())) docker.run(step);
  docker.containers.delete("1".repeat(64));
  for (const step of stepsTo(DOCKERS, migration, ...docker.look(), true)) docker.run(step);
  assertEquals(docker.summary, [DOCKERS, [true, "192.168.1.2"]]);
});
