import { assert, assertEquals } from "@std/assert";
import {
  accessProblems,
  fileProblems,
  readIpamOptions,
  variableOf,
} from "../../../../lib/driver/model/ipam_options.ts";

function read(words: string[], environment: Record<string, string> = {}) {
  return readIpamOptions(words, { folder: "/site", environment });
}

/** The messages of what is wrong with words. */
function refused(words: string[], environment: Record<string, string> = {}): string[] {
  const decision = read(words, environment);
  assert(!decision.ok);
  return decision.problems.map(({ message }) => message);
}

Deno.test("one word may have several options, and endpoints commas between them", () => {
  assertEquals(
    read(["endpoints=https://a:2379/,https://b:2379,prefix=/x/y", "user=u,password-file=pw"]),
    {
      ok: true,
      access: {
        endpoints: ["https://a:2379", "https://b:2379"],
        prefix: "/x/y",
        user: "u",
        passwordFile: "/site/pw",
      },
    },
  );
});

Deno.test("a path is made absolute, and may have a comma", () => {
  assertEquals(
    read(["endpoints=https://a:2379", "ca=tls/ca,1.pem,cert=/c.pem,key=../k.pem"]),
    {
      ok: true,
      access: {
        endpoints: ["https://a:2379"],
        ca: "/site/tls/ca,1.pem",
        cert: "/c.pem",
        key: "/k.pem",
      },
    },
  );
});

Deno.test("the environment gives what the words leave out", () => {
  const environment = {
    IPVLAN_ETCD_ENDPOINTS: "http://a:2379,http://b:2379",
    IPVLAN_ETCD_PREFIX: "/other",
  };
  assertEquals(read(["prefix=/mine"], environment), {
    ok: true,
    access: { endpoints: ["http://a:2379", "http://b:2379"], prefix: "/mine" },
  });
  assertEquals(variableOf("passwordFile"), "IPVLAN_ETCD_PASSWORD_FILE");
});

Deno.test("all that is wrong is said at once", () => {
  assertEquals(refused(["endpoint=x", "prefix=ipvlan", "cert=c", "user=u", "nonsense", "ca="]), [
    'The IPAM option "endpoint" is not valid: choose one of endpoints, prefix, ca, cert, key, user, ' +
    'password-file (did you mean "endpoints"?)',
    'The IPAM option "nonsense" is not valid: write NAME=VALUE',
    'The IPAM option "ca=" is not valid: write NAME=VALUE',
    'The etcd option endpoints "" is not valid: give at least one: https://10.0.0.1:2379',
    'The etcd option cert "/site/c" is not valid: give the file of its key too',
    'The etcd option user "u" is not valid: give the file of the password too',
    'The etcd option prefix "ipvlan" is not valid: write it like /ipvlan or /ipvlan/site-2',
  ]);
  assertEquals(refused(["endpoints=http://a:1", "endpoints=http://b:1"]), [
    'The IPAM option "endpoints" is not valid: it is given twice',
  ]);
  for (const endpoint of ["a:2379", "ftp://a:1", "https://a/x", "http://a?b", "//a", "unix://a"]) {
    assertEquals(refused([`endpoints=${endpoint}`]), [
      `The etcd option endpoints "${endpoint}" is not valid: write it like https://10.0.0.1:2379`,
    ]);
  }
  assertEquals(refused(["endpoints=http://a:1,ca=/ca"]), [
    'The etcd option endpoints "http://a:1" is not valid: ca, cert and key are for https: write https, or ' +
    "leave them out",
  ]);
});

Deno.test("a password in an argument is refused and not repeated", () => {
  const messages = [
    ...refused(["endpoints=http://a:1", "password=Secret7"]),
    ...refused(["endpoints=http://root:Secret7@a:1"]),
  ];
  assertEquals(messages.length, 2);
  for (const message of messages) {
    assert(/password.file/.test(message), message);
    assert(!message.includes("Secret7"), message);
  }
});

Deno.test("an access that no command line has read needs whole paths", () => {
  const problems = accessProblems({ endpoints: ["https://a:1"], ca: "ca.pem" });
  assertEquals(problems.map(({ message }) => message), [
    'The etcd option ca "ca.pem" is not valid: give its path from / on',
  ]);
});

Deno.test("files that are missing, or that others may read, are refused", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const passwordFile = `${folder}/password`;
    await Deno.writeTextFile(passwordFile, "Secret7", { mode: 0o600 });
    const access = { endpoints: ["https://a:1"], user: "u", passwordFile };
    assertEquals(fileProblems(access), []);
    await Deno.chmod(passwordFile, 0o640);
    assertEquals(fileProblems({ ...access, ca: `${folder}/ca` }).map(String), [
      `IpvlanError: The etcd option ca "${folder}/ca" is not valid: there is no such file`,
      `IpvlanError: The etcd option password-file "${passwordFile}" is not valid: others may ` +
      `read the file: chmod 600 ${passwordFile}`,
    ]);
    // On a command line, what is wrong with options and files comes at once, and once.
    const surroundings = { folder, environment: {}, readsFiles: true };
    const words = ["endpoints=x", "user=u", "prefxi=/x", "password-file=password", "ca=none"];
    const read = readIpamOptions(words, surroundings);
    assertEquals(read.ok || read.problems.map(({ message }) => message), [
      'The IPAM option "prefxi" is not valid: choose one of endpoints, prefix, ca, cert, key, user, ' +
      'password-file (did you mean "prefix"?)',
      'The etcd option endpoints "x" is not valid: write it like https://10.0.0.1:2379',
      `The etcd option ca "${folder}/none" is not valid: there is no such file`,
      `The etcd option password-file "${passwordFile}" is not valid: others may ` +
      `read the file: chmod 600 ${passwordFile}`,
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
