// Tests of TLS, users and passwords, with a real etcd that requires them.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { EtcdOptionError, EtcdRefusedError, EtcdUnreachableError } from "../../lib/claims/mod.ts";
import { ProblemsError } from "../../lib/driver/errors.ts";
import { Cluster } from "../kit/etcd.ts";
import { makeCertificates } from "../kit/openssl.ts";
import { openHost } from "./host.ts";

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
    const { endpoints } = cluster;
    const [ca, cert, key] = [`${folder}/ca.pem`, `${folder}/host.pem`, `${folder}/host.key`];
    const { id } = await host.pools.join({ endpoints, ca, cert, key }, SUBNET, {});
    assertEquals(typeof await host.pools.take(id, { sandbox: "c1" }), "string");
    assertEquals(await host.pools.settle(), { untold: 0, lost: [] });
    for (const wrong of [{ ca: `${folder}/other.pem`, cert, key }, { ca }, {}]) {
      const access = { endpoints, ...wrong, prefix: "/other" };
      const error = await assertRejects(() => host.pools.hosts(access), EtcdUnreachableError);
      assert(/certificate|tls|UnknownIssuer/i.test(error.message), error.message);
    }
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

Deno.test("a user with a password file, whose rights change meanwhile", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using cluster = await Cluster.start();
    const [endpoint = ""] = cluster.endpoints;
    for (const name of ["root", "ipvlan"]) {
      await ask(endpoint, "auth/user/add", { name, password: PASSWORD });
      await ask(endpoint, "auth/role/add", { name });
      await ask(endpoint, "auth/user/grant", { user: name, role: name });
    }
    const perm = { permType: "READWRITE", key: btoa("/ipvlan/"), range_end: btoa("/ipvlan0") };
    await ask(endpoint, "auth/role/grant", { name: "ipvlan", perm });
    await ask(endpoint, "auth/enable", {});
    const passwordFile = `${folder}/password`;
    await Deno.writeTextFile(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
    using host = openHost("a", `${folder}/a`);
    const access = { endpoints: cluster.endpoints, user: "ipvlan", passwordFile };
    const { id } = await host.pools.join(access, SUBNET, {});
    await host.pools.take(id, { sandbox: "c1" });
    // Every change of rights makes all tokens void.
    const root = { name: "root", password: PASSWORD };
    const { token } = await ask(endpoint, "auth/authenticate", root) as { token: string };
    await ask(endpoint, "auth/role/add", { name: "another" }, token);
    assertEquals(await host.pools.settle(), { untold: 0, lost: [] });

    const elsewhere = { ...access, prefix: "/elsewhere" };
    const denied = await assertRejects(() => host.pools.hosts(elsewhere), EtcdRefusedError);
    assert(denied.message.includes("permission denied"), denied.message);
    const wrong = `${folder}/wrong`;
    await Deno.writeTextFile(wrong, "wrong secret", { mode: 0o600 });
    for (const other of [{ user: undefined, passwordFile: undefined }, { passwordFile: wrong }]) {
      const error = await assertRejects(
        () => host.pools.hosts({ ...access, ...other }),
        EtcdRefusedError,
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
    const error = await assertRejects(() => host.pools.join(access, SUBNET, {}), ProblemsError);
    assertEquals(error.message.split("\n").length, 5);
    assert(!error.message.includes("secret"));
    const files = { endpoints: ["https://10.0.0.1:2379"], user: "u", passwordFile: open };
    await assertRejects(
      () => host.pools.hosts(files),
      EtcdOptionError,
      `others may read the file: chmod 600 ${open}`,
    );
    await assertRejects(
      () => host.pools.hosts({ endpoints: ["https://10.0.0.1:2379"], ca: `${folder}/none` }),
      EtcdOptionError,
      "there is no such file",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
