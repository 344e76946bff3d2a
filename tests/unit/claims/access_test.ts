import { assertEquals, assertMatch } from "@std/assert";
import { attempt } from "../../../lib/base/errors.ts";
import { accessProblems, readAccess } from "../../../lib/claims/access.ts";
import type { EtcdAccess } from "../../../lib/claims/types.ts";
import { Keys } from "../../../lib/claims/keys.ts";

const problemsOf = (prefix: string) =>
  accessProblems({ endpoints: ["http://10.0.0.1:2379"], prefix }).map(({ message }) => message);

Deno.test("a prefix within the keys of another one, or around them, is refused in one line", () => {
  const keys = new Keys("/ipvlan");
  const kinds = [
    ...[keys.host(), keys.alive(), keys.heard(), keys.copy(), keys.network(), keys.pool()],
    ...[keys.block(), keys.claim(), keys.wish()],
  ].map((key) => key.replace(/\/$/, ""));
  for (const prefix of kinds) {
    for (const each of [prefix, `${prefix}/x`, `${prefix}/10.0.0.0-24/x`]) {
      const [message, ...others] = problemsOf(each);
      assertMatch(message ?? each, /^The etcd option prefix "\/ipvlan\/.*" is not valid: .*"\w+"/);
      assertEquals(others, []);
    }
    // The same words elsewhere are no keys of ours.
    const [, kind = ""] = prefix.split("/ipvlan/");
    for (const each of [`/${kind}`, `/${kind}-2/a`, `/a/${kind}s2`, `/a/my-${kind}/b`]) {
      assertEquals(problemsOf(each), [], each);
    }
  }
  assertEquals(problemsOf("/ipvlan/site-2/rack-7"), []);
  assertEquals(problemsOf("ipvlan/pools/").length, 1);
});

const AT = "https://10.0.0.1:2379";

Deno.test("options of etcd that belong together are all given, and each endpoint is a plain URL", () => {
  const wrong = (access: Partial<EtcdAccess>) =>
    accessProblems({ endpoints: [AT], ...access }).map(({ message }) =>
      message.replace(/^The etcd option (\S+) .*? is not valid: /, "$1: ")
    );
  const url = "endpoints: write it like https://10.0.0.1:2379";
  const user = "endpoints: give the user and a password file instead";
  const cases: [Partial<EtcdAccess>, string[]][] = [
    [{}, []],
    [{ endpoints: [] }, ["endpoints: give at least one: https://10.0.0.1:2379"]],
    [{ endpoints: [`${AT}/`, "http://etcd.example", "https://[fd00::1]:2379"] }, []],
    ...["", "10.0.0.1:2379", "ftp://10.0.0.1", `${AT}/v3`, `${AT}/?x=1`, `${AT}/#x`].map(
      (endpoint): [Partial<EtcdAccess>, string[]] => [{ endpoints: [endpoint] }, [url]],
    ),
    [{ endpoints: ["https://u@10.0.0.1"] }, [user]],
    [{ endpoints: ["https://:p@10.0.0.1"] }, [user]],
    [{ cert: "c" }, ["cert: give the file of its key too"]],
    [{ key: "k" }, ["key: give the file of its certificate too"]],
    [{ cert: "c", key: "k" }, []],
    [{ user: "u" }, ["user: give the file of the password too"]],
    [{ passwordFile: "p" }, ["password-file: give the user too"]],
    [{ user: "u", passwordFile: "p" }, []],
    [{ prefix: "/" }, ["prefix: write it like /ipvlan or /ipvlan/site-2"]],
  ];
  for (const [access, problems] of cases) assertEquals(wrong(access), problems);
});

Deno.test("the files of an access are read, and what is wrong with all of them is said at once", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const file = (name: string, text: string, mode = 0o600) => {
      Deno.writeTextFileSync(`${folder}/${name}`, text);
      Deno.chmodSync(`${folder}/${name}`, mode);
      return `${folder}/${name}`;
    };
    const pem = "-----BEGIN CERTIFICATE-----";
    const [ca, cert, key] = [file("ca", pem, 0o644), file("c", pem, 0o644), file("k", pem)];
    const whole = { endpoints: [`${AT}/`], ca, cert, key, user: "u" };
    assertEquals(readAccess({ ...whole, passwordFile: file("p", "secret\n") }), {
      endpoints: [AT],
      ca: pem,
      cert: pem,
      key: pem,
      user: "u",
      password: "secret",
    });
    assertEquals(readAccess({ endpoints: [AT] }).ca, undefined);
    const wrong = (access: Partial<EtcdAccess>) => {
      const read = attempt(() => readAccess({ endpoints: [AT], ...access }));
      return read.ok
        ? []
        : read.problems.flatMap(({ message }) =>
          message.split("\n").map((line) =>
            line.replaceAll(folder, "").replace(/^The etcd option (\S+) .*? is not valid: /, "$1: ")
          )
        );
    };
    assertEquals(
      wrong({
        ca: file("no-pem", "x"),
        cert: `${folder}/missing`,
        key: file("open", pem, 0o640),
        user: "u",
        passwordFile: file("empty", "\n"),
      }),
      [
        "cert: there is no such file",
        "key: others may read the file: chmod 600 /open",
        "ca: it is not a PEM file",
        "password-file: it is empty",
      ],
    );
    assertEquals(wrong({ user: "u", passwordFile: file("others", "x", 0o604) }), [
      "password-file: others may read the file: chmod 600 /others",
    ]);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
