import { assertEquals, assertStringIncludes } from "@std/assert";
import { packageLauncher, thisProgram } from "../../../lib/install/program.ts";
import { agentUnit, passedSocket, serverUnits, systemdUnit } from "../../../lib/install/unit.ts";
import { ipvlan } from "../../kit/command.ts";
import { temporaryFolder } from "../../kit/worlds.ts";
import { assertThrowsError } from "../../kit/errors.ts";

Deno.test("a unit starts the program in the environment that it needs", () => {
  const unit = systemdUnit(["/opt/deno", "run", "-A", "/srv/kit/cli.ts"], {
    HOME: "/root",
    XDG_CACHE_HOME: "/srv/cache",
    IPVLAN_STATE_DIR: "/srv/state",
    TERM: "dumb",
  });
  assertEquals(unit.split("\n").filter((line) => /^(Environment|ExecStart)=/.test(line)), [
    "Environment=HOME=/root",
    "Environment=XDG_CACHE_HOME=/srv/cache",
    "Environment=IPVLAN_STATE_DIR=/srv/state",
    "ExecStart=/opt/deno run -A /srv/kit/cli.ts restore --wait 60",
  ]);
});

Deno.test("special characters in a unit are escaped", () => {
  const unit = systemdUnit(["/a b/deno", 'c"d\\e', "50%", "$f"], { HOME: "/ro ot/$x" });
  assertEquals(unit.split("\n").filter((line) => /^(Environment|ExecStart)=/.test(line)), [
    'Environment="HOME=/ro ot/$x"',
    'ExecStart="/a b/deno" "c\\"d\\\\e" 50%% $$f restore --wait 60',
  ]);
  // No word is another line.
  const agent = agentUnit(["/opt/ipvlan"], {}, ["--hosts-file", "/a\nExecStop=/x", "\u001b"]);
  assertStringIncludes(agent, 'agent --hosts-file "/a\\u000aExecStop=/x" "\\u001b"\n');
});

Deno.test("this program is started again by Deno and its module", () => {
  const [deno, ...words] = thisProgram();
  assertEquals([deno, ...words.slice(0, -1)], [Deno.execPath(), "run", "-A"]);
  assertEquals(words.at(-1)!.startsWith("/"), true);
});

Deno.test("a program from a package is started again by the package's launcher", () => {
  for (
    const [module, launcher] of [
      ["file:///usr/lib/ipvlan-kit/cli.js", "/usr/bin/ipvlan"],
      ["file:///opt/a%20b/lib/ipvlan-kit/cli.js", "/opt/a b/bin/ipvlan"],
      ["file:///usr/lib/ipvlan-kit/cli.ts", undefined],
      ["file:///srv/mylib/ipvlan-kit/cli.js", undefined],
      ["https://example.test/lib/ipvlan-kit/cli.js", undefined],
    ] as const
  ) assertEquals(packageLauncher(module), launcher, module);
});

Deno.test("a unit takes no variable that is another line, or another folder for systemd", () => {
  for (const path of ["/srv\nExecStartPre=/bin/x", "/srv/\u0007", "state", "./state"]) {
    assertThrowsError(
      () => systemdUnit(["/opt/deno"], { IPVLAN_STATE_DIR: path }),
      "invalid-option",
      "IPVLAN_STATE_DIR",
    );
  }
});

Deno.test({
  name: "what root's programs need is in no folder that another user could change",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using folder = await temporaryFolder();
    const { path } = folder;
    const make = (name: string, uid: number, mode: number) => {
      Deno.mkdirSync(`${path}/${name}`);
      Deno.chownSync(`${path}/${name}`, uid, uid);
      Deno.chmodSync(`${path}/${name}`, mode);
    };
    for (const name of ["root's", "user's/root's"]) {
      if (name.includes("/")) make("user's", 65534, 0o700);
      make(name, 0, 0o700);
    }
    make("open", 0, 0o1777);
    make("open/root's", 0, 0o755);
    make("wide", 0, 0o777);
    make("wide/root's", 0, 0o755);
    Deno.symlinkSync(`${path}/user's`, `${path}/link`);
    const units = (home: string) =>
      serverUnits(["/opt/deno"], { HOME: `${path}/${home}` }, ["cni", "CNI"], "/run/x");
    for (const home of ["root's", "root's/missing", "open/root's"]) {
      assertStringIncludes(units(home)["ipvlan-cni.service"]!, home);
    }
    for (
      const [home, why] of [
        ["user's", "/user's belongs to user 65534"],
        ["user's/missing", "/user's belongs to user 65534"],
        ["user's/root's", "/user's belongs to user 65534"],
        ["link/x", "/link belongs to user 65534"],
        ["open", "every user may write to"],
        ["wide/root's", "every user may write to"],
      ] as const
    ) assertThrowsError(() => units(home), "invalid-option", why);
    // Root runs the program of its owner already.
    const { execPath } = Deno;
    Deno.execPath = () => `${path}/user's`;
    try {
      for (const home of ["root's", "user's/root's", "link/x"]) {
        assertStringIncludes(units(home)["ipvlan-cni.service"]!, home);
      }
    } finally {
      Deno.execPath = execPath;
    }
  },
});

Deno.test("the units for Docker start the plugin before Docker, from a socket of the same name", () => {
  const docker = (program: string[], words: string[] = []) => {
    const engine: [string, string] = ["docker", "Docker"];
    return serverUnits(program, { HOME: "/root" }, engine, "/run/x", words, "docker.service");
  };
  const units = docker(["/opt/deno", "run", "-A", "/srv/cli.ts"]);
  assertEquals(Object.keys(units), ["ipvlan-docker.service", "ipvlan-docker.socket"]);
  const [service = "", socket = ""] = Object.values(units);
  for (const text of [service, socket]) assertStringIncludes(text, "Before=docker.service");
  assertStringIncludes(service, "ExecStart=/opt/deno run -A /srv/cli.ts docker serve\n");
  assertStringIncludes(service, "Environment=HOME=/root\n");
  assertStringIncludes(service, "Restart=on-failure\n");
  assertStringIncludes(socket, "ListenStream=/run/x\nSocketMode=0600\n");
  const words = ["--ipam-opt", "endpoints=http://a:1", "--ipam-opt", "ca=/c a%"];
  assertStringIncludes(
    docker(["/opt/ipvlan"], words)["ipvlan-docker.service"]!,
    'serve --ipam-opt endpoints=http://a:1 --ipam-opt "ca=/c a%%"\n',
  );
});

Deno.test("the units for CNI start the server with the first call, and no call ends with it", () => {
  const program = ["/opt/deno", "run", "-A", "/srv/cli.ts"];
  const units = serverUnits(program, { HOME: "/root" }, ["cni", "CNI"], "/run/x");
  assertEquals(Object.keys(units), ["ipvlan-cni.service", "ipvlan-cni.socket"]);
  const [service = "", socket = ""] = Object.values(units);
  assertStringIncludes(service, "ExecStart=/opt/deno run -A /srv/cli.ts cni serve\nKillMode=mixed");
  assertStringIncludes(service, "Environment=HOME=/root\n");
  assertEquals(service.includes("[Install]"), false);
  assertStringIncludes(socket, "ListenStream=/run/x\nSocketMode=0600\n");
});

Deno.test("the units of a package do not depend on the machine that makes it", () => {
  const { statSync } = Deno;
  const foreign = (path: string | URL) => ({ ...statSync(path), uid: 1000 });
  const unit = (program: string) => agentUnit([program], {});
  const before = unit("/usr/bin/ipvlan");
  Deno.statSync = foreign;
  try {
    assertEquals(unit("/usr/bin/ipvlan"), before);
    assertStringIncludes(unit("/usr/bin/env"), "# Uses /usr/bin/env, which is not root's.\n");
  } finally {
    Deno.statSync = statSync;
  }
});

Deno.test("only a socket that systemd has passed to this very process is taken", () => {
  assertEquals(passedSocket({ LISTEN_PID: "7", LISTEN_FDS: "1" }, 7), 3);
  assertEquals(passedSocket({}, 7), undefined);
  assertEquals(passedSocket({ LISTEN_PID: "7" }, 7), undefined);
  assertEquals(passedSocket({ LISTEN_PID: "8", LISTEN_FDS: "1" }, 7), undefined);
  assertEquals(passedSocket({ LISTEN_PID: "7", LISTEN_FDS: "0" }, 7), undefined);
});

Deno.test("the unit of an agent has the options that it was asked for with", () => {
  const unit = agentUnit(["/opt/ipvlan"], { HOME: "/root" }, ["--hosts-file", "/run/names/hosts"]);
  assertStringIncludes(unit, "\nExecStart=/opt/ipvlan agent --hosts-file /run/names/hosts\n");
});

Deno.test("each unit says what it needs each of its rights for, and has no mounts of its own", () => {
  const server = serverUnits(["/opt/ipvlan"], {}, ["cni", "CNI"], "/run/x")["ipvlan-cni.service"]!;
  const rights = (unit: string) =>
    [...unit.matchAll(/^# .*\.\nCapabilityBoundingSet=CAP_(\w+)$/gm)].map(([, name]) => name);
  const shared = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"];
  const ofHosts = ["DAC_OVERRIDE", "FOWNER"];
  const units: [text: string, rights: string[]][] = [
    [server, shared],
    [systemdUnit(["/opt/ipvlan"], {}), [...shared, ...ofHosts]],
    [agentUnit(["/opt/ipvlan"], {}), [...shared, ...ofHosts]],
  ];
  for (const [unit, names] of units) {
    assertEquals(rights(unit), names);
    assertEquals(unit.match(/^CapabilityBoundingSet=/gm)!.length, names.length);
    // Those settings give a mount namespace (systemd.exec(5)).
    const settings =
      /^(Private|Protect(?!Clock)|Root|MountFlags|Bind|Temporary|\w+Paths|ProcSubset)/m;
    assertEquals(settings.exec(unit), null);
  }
});

Deno.test({
  name: "a unit may use the files of another user if it needs them",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using folder = await temporaryFolder();
    const { path } = folder;
    for (const name of ["ours", "theirs", "theirs/x"]) Deno.mkdirSync(`${path}/${name}`);
    Deno.chownSync(`${path}/theirs`, 65534, 65534);
    const unit = (key: string) =>
      serverUnits(["/opt/x"], {}, ["docker", "Docker"], "/run/x", [
        "--ipam-opt",
        `key=${key}`,
      ])["ipvlan-docker.service"]!;
    assertEquals(unit(`${path}/ours/key`).includes("CAP_DAC_OVERRIDE"), false);
    for (const key of ["theirs", "theirs/key", "theirs/x/key"]) {
      assertStringIncludes(
        unit(`${path}/${key}`),
        `\n# Uses ${path}/theirs, which is not root's.\nCapabilityBoundingSet=CAP_DAC_OVERRIDE\n`,
      );
    }
  },
});

Deno.test("nothing is written that starts a Deno in the cache of npx", async () => {
  const { execPath } = Deno;
  Deno.execPath = () => "/root/.npm/_npx/05b6/node_modules/deno/deno";
  try {
    for (
      const words of [
        ...["docker install --print-unit", "restore --print-unit", "agent install --print-unit"],
        ...["netavark install /dev/null/x", "cni install --print-unit"],
        "netavark install --print-unit",
      ]
    ) {
      assertEquals([words, await ipvlan(...words.split(" "))], [words, {
        status: 1,
        out: "",
        err:
          'ipvlan: The program "/root/.npm/_npx/05b6/node_modules/deno/deno" is not valid: npx may ' +
          "empty its cache, so install Deno (https://docs.deno.com), and then " +
          '"deno install -g -A -n ipvlan jsr:@ipvlan/kit/cli"',
      }]);
    }
  } finally {
    Deno.execPath = execPath;
  }
});
