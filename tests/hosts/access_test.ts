// Tests of TLS, users and passwords, with a real etcd that requires them.
import { assert, assertEquals } from "@std/assert";
import { listHosts } from "../../lib/claims/hosts.ts";
import type { EtcdAccess } from "../../lib/claims/types.ts";
import { Cluster } from "../kit/etcd.ts";
import { makeCertificates } from "../kit/openssl.ts";
import { inEnv } from "../kit/processes.ts";
import { type Host, openHost } from "./host.ts";
import { assertRejectsError } from "../kit/errors.ts";

const SUBNET = "10.7.0.0/24";
const PASSWORD = "correct horse battery staple";

Deno.test("TLS with certificates of both sides", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await makeCertificates(folder, ["member", "host"]);
    await using cluster = await Cluster.start({
      scheme: "https",
      args: [
        ...["--cert-file", `${folder}/member.pem`, "--key-file", `${folder}/member.key`],
        ...["--trusted-ca-file", `${folder}/ca.pem`, "--client-cert-auth"],
      ],
    });
    using host = openHost("a", `${folder}/a`);
    // Nothing listens there: whoever asked this proxy would get no answer.
    using _proxy = inEnv("HTTPS_PROXY", "http://127.0.0.1:9");
    const { endpoints } = cluster;
    const [ca, cert, key] = [`${folder}/ca.pem`, `${folder}/host.pem`, `${folder}/host.key`];
    const { id } = await host.pools.join({ endpoints, ca, cert, key }, SUBNET, {});
    assertEquals(typeof await host.pools.take(id, { sandbox: "c1" }), "string");
    assertEquals(await host.pools.settle(), { untold: 0, lost: [] });
    for (const wrong of [{ ca: `${folder}/other.pem`, cert, key }, { ca }, {}]) {
      const access = { endpoints, ...wrong, prefix: "/other" };
      const error = await assertRejectsError(
        () => listHosts(host.pools.reader(access)),
        "etcd-unreachable",
      );
      assert(/certificate|tls|UnknownIssuer/i.test(error.message), error.message);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A host's agent, of which a test waits for what it says. */
interface Agent extends AsyncDisposable {
  /** Waits until it says a sentence of this kind again. */
  next(kind: "listed" | "broken"): Promise<string>;
}

function startAgent({ pools }: Host, access: EtcdAccess): Agent {
  const stop = new AbortController();
  const changes = pools.watch(access, stop.signal);
  return {
    async next(kind) {
      for await (
        const change of { [Symbol.asyncIterator]: () => ({ next: () => changes.next() }) }
      ) {
        if (change.kind === kind) return change.kind === "broken" ? change.reason : "";
      }
      throw new Error("It has ended");
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      while (!(await changes.next()).done);
    },
  };
}

Deno.test("certificates that are rotated are read again by who is connected, and an agent lives on", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [old, fresh] = [`${folder}/old`, `${folder}/new`];
    for (const each of [old, fresh]) {
      await Deno.mkdir(each);
      await makeCertificates(each, ["member", "host"]);
    }
    const used = (name: string) => `${folder}/${name}`;
    /** Puts files of one folder into use. */
    const use = async (from: string, files: Record<string, string>) => {
      for (const [to, name] of Object.entries(files)) {
        // The key is as private as it was.
        await Deno.copyFile(`${from}/${name}`, used(to));
      }
    };
    const member = { "member.pem": "member.pem", "member.key": "member.key" };
    const host = { "host.pem": "host.pem", "host.key": "host.key" };
    await use(old, { ...member, ...host, "ca.pem": "ca.pem", "clients.pem": "ca.pem" });
    await using cluster = await Cluster.start({
      scheme: "https",
      args: [
        ...["--cert-file", used("member.pem"), "--key-file", used("member.key")],
        ...["--trusted-ca-file", used("clients.pem"), "--client-cert-auth"],
      ],
    });
    using a = openHost("a", `${folder}/a`);
    const files = { ca: used("ca.pem"), cert: used("host.pem"), key: used("host.key") };
    const access = { endpoints: cluster.endpoints, ...files };
    await a.pools.join(access, SUBNET, {});
    await using agent = startAgent(a, access);
    await agent.next("listed");
    const hosts = () => listHosts(a.pools.reader(access));

    // Another authority signs all certificates from now on.
    await use(fresh, { ...member, "clients.pem": "ca.pem" });
    await cluster.members[0]!.daemon.end();
    await cluster.members[0]!.restart();
    await agent.next("broken");
    await assertRejectsError(hosts, "etcd-unreachable", "certificate");
    // The host gets its files one after another.
    await use(fresh, { "ca.pem": "ca.pem" });
    await assertRejectsError(hosts, "etcd-unreachable");
    await use(fresh, { "host.key": "host.key" });
    await assertRejectsError(hosts, "etcd-option", "host.pem");
    await use(fresh, host);
    assertEquals((await hosts()).map(({ isAlive }) => isAlive), [true]);
    await agent.next("listed");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Calls the JSON gateway, as an administrator does. */
async function ask(endpoint: string, path: string, body: unknown, token = ""): Promise<unknown> {
  const response = await fetch(`${endpoint}/v3/${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: token === "" ? {} : { authorization: token },
  });
  if (!response.ok) throw new Error(await response.text());
  return await response.json();
}

/** Starts an etcd with the users `root` and `ipvlan`, which may do all under `/ipvlan`. */
async function startWithUsers(): Promise<Cluster> {
  const cluster = await Cluster.start();
  const [endpoint = ""] = cluster.endpoints;
  for (const name of ["root", "ipvlan"]) {
    await ask(endpoint, "auth/user/add", { name, password: PASSWORD });
    await ask(endpoint, "auth/role/add", { name });
    await ask(endpoint, "auth/user/grant", { user: name, role: name });
  }
  const perm = { permType: "READWRITE", key: btoa("/ipvlan/"), range_end: btoa("/ipvlan0") };
  await ask(endpoint, "auth/role/grant", { name: "ipvlan", perm });
  await ask(endpoint, "auth/enable", {});
  return cluster;
}

/** Calls the JSON gateway as the user `root`. */
async function askAsRoot(endpoint: string, path: string, body: unknown): Promise<unknown> {
  const root = { name: "root", password: PASSWORD };
  const { token } = await ask(endpoint, "auth/authenticate", root) as { token: string };
  return await ask(endpoint, path, body, token);
}

Deno.test("a password that is changed is read again, and an agent keeps its lease", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using cluster = await startWithUsers();
    const [endpoint = ""] = cluster.endpoints;
    const passwordFile = `${folder}/password`;
    await Deno.writeTextFile(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
    using host = openHost("a", `${folder}/a`);
    const access = { endpoints: cluster.endpoints, user: "ipvlan", passwordFile };
    const { id } = await host.pools.join(access, SUBNET, {});
    await using agent = startAgent(host, access);
    await agent.next("listed");
    const leases = async () => {
      const range = { key: btoa("/ipvlan/alive/"), range_end: btoa("/ipvlan/alive0") };
      const { kvs } = await askAsRoot(endpoint, "kv/range", range) as { kvs: { lease: string }[] };
      return kvs.map(({ lease }) => lease);
    };
    const before = await leases();
    assertEquals(before.length, 1);

    const changed = { name: "ipvlan", password: "another" };
    await askAsRoot(endpoint, "auth/user/changepw", changed);
    await assertRejectsError(
      () => listHosts(host.pools.reader(access)),
      "etcd-refused",
      "authentication failed",
    );
    // etcd ends the watches of the user.
    assert((await agent.next("broken")).includes("authentication failed"));
    await Deno.writeTextFile(passwordFile, "another\n");
    const calls = Array.from({ length: 5 }, () => listHosts(host.pools.reader(access)));
    for (const [{ isAlive } = { isAlive: false }] of await Promise.all(calls)) assert(isAlive);
    await host.pools.take(id, { sandbox: "c1" });
    assertEquals(await host.pools.settle(), { untold: 0, lost: [] });
    await agent.next("listed");
    assertEquals(await leases(), before);

    // A file that others may read is no secret any more.
    await Deno.chmod(passwordFile, 0o644);
    await askAsRoot(endpoint, "auth/user/changepw", { ...changed, password: "third" });
    await assertRejectsError(
      () => listHosts(host.pools.reader(access)),
      "etcd-option",
      "chmod 600",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a user with a password file, whose rights change meanwhile", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using cluster = await startWithUsers();
    const [endpoint = ""] = cluster.endpoints;
    const passwordFile = `${folder}/password`;
    await Deno.writeTextFile(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
    using host = openHost("a", `${folder}/a`);
    const access = { endpoints: cluster.endpoints, user: "ipvlan", passwordFile };
    const { id } = await host.pools.join(access, SUBNET, {});
    await host.pools.take(id, { sandbox: "c1" });
    // Every change of rights makes all tokens void.
    await askAsRoot(endpoint, "auth/role/add", { name: "another" });
    assertEquals(await host.pools.settle(), { untold: 0, lost: [] });

    const elsewhere = { ...access, prefix: "/elsewhere" };
    const denied = await assertRejectsError(
      () => listHosts(host.pools.reader(elsewhere)),
      "etcd-refused",
    );
    assert(denied.message.includes("permission denied"), denied.message);
    const wrong = `${folder}/wrong`;
    await Deno.writeTextFile(wrong, "wrong secret", { mode: 0o600 });
    for (const other of [{ user: undefined, passwordFile: undefined }, { passwordFile: wrong }]) {
      const error = await assertRejectsError(
        () => listHosts(host.pools.reader({ ...access, ...other })),
        "etcd-refused",
      );
      assert(!error.message.includes("secret") && !error.message.includes(PASSWORD));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("all that is wrong with the options is said at once, and no secret", async () => {
  const folder = await Deno.makeTempDir();
  try {
    using host = openHost("a", `${folder}/a`);
    const open = `${folder}/open`;
    await Deno.writeTextFile(open, "secret");
    await Deno.chmod(open, 0o644);
    const access = {
      endpoints: ["10.0.0.1:2379", "https://root:secret@10.0.0.1:2379"],
      key: open,
      passwordFile: open,
      prefix: "ipvlan/",
    };
    const error = await assertRejectsError(() => host.pools.join(access, SUBNET, {}), "problems");
    assertEquals(error.message.split("\n").length, 5);
    assert(!error.message.includes("secret"));
    const files = { endpoints: ["https://10.0.0.1:2379"], user: "u", passwordFile: open };
    await assertRejectsError(
      () => listHosts(host.pools.reader(files)),
      "etcd-option",
      `others may read the file: chmod 600 ${open}`,
    );
    await assertRejectsError(
      () =>
        listHosts(
          host.pools.reader({ endpoints: ["https://10.0.0.1:2379"], ca: `${folder}/none` }),
        ),
      "etcd-option",
      "there is no such file",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
