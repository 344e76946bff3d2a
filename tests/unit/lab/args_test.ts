import { assertEquals, assertThrows } from "@std/assert";
import { parseRequest } from "../../../lab/args.ts";
import type { BundleName } from "../../../lab/fetch/bundles.ts";
import { DEBIAN_KERNELS, kindOfKernel } from "../../../lab/kernels.ts";
import { UsageError } from "../../../lab/errors.ts";

Deno.test("parseRequest() runs all scenarios if there are no words", () => {
  assertEquals(parseRequest([]), {
    kind: "scenarios",
    names: [],
    json: undefined,
    report: undefined,
    engine: undefined,
    kernel: undefined,
    afterwards: undefined,
    modules: [],
    bundles: [],
  });
});

Deno.test("parseRequest() accepts names, a report and an engine", () => {
  assertEquals(
    parseRequest(["l2", "--json", "r.json", "--report=r.html", "defaults", "--engine=uml"]),
    {
      kind: "scenarios",
      names: ["l2", "defaults"],
      json: "r.json",
      report: "r.html",
      engine: "uml",
      kernel: undefined,
      afterwards: undefined,
      modules: [],
      bundles: [],
    },
  );
});

Deno.test("parseRequest() runs the scenarios of engines and hosts, which bring their own programs", () => {
  for (const suite of ["engines", "hosts"] as const) {
    const request = parseRequest([suite, "fifty", "--json", "r.json", "--engine", "qemu"]);
    assertEquals(request, {
      kind: "guest scenarios",
      suite,
      names: ["fifty"],
      json: "r.json",
      report: undefined,
      engine: "qemu",
      kernel: undefined,
      afterwards: undefined,
      modules: [],
      bundles: [],
    });
    const refuse = (words: string[], message: string) =>
      assertThrows(() => parseRequest([suite, ...words]), UsageError, message);
    refuse(["--with", "docker26"], `--with does not go with ${suite}`);
    refuse(["--engine", "native"], `The scenarios of ${suite} run with --engine uml and qemu only`);
    refuse(["--kernel", "all"], `--kernel all does not go with ${suite}`);
  }
});

Deno.test("parseRequest() does not parse the words of a command, not even options or another --", () => {
  assertEquals(
    parseRequest(["--engine", "native", "--", "sh", "--engine", "x", "--", "-c", "1"]),
    {
      kind: "command",
      command: ["sh", "--engine", "x", "--", "-c", "1"],
      engine: "native",
      kernel: undefined,
      afterwards: undefined,
      modules: [],
      bundles: [],
    },
  );
});

Deno.test("parseRequest() recognizes --shell, --playground, --list, --kernels and --help", () => {
  for (const kind of ["shell", "playground"] as const) {
    assertEquals(parseRequest([`--${kind}`]), {
      kind,
      engine: undefined,
      kernel: undefined,
      afterwards: undefined,
      modules: [],
      bundles: [],
    });
  }
  assertEquals(parseRequest(["--list"]), { kind: "list" });
  assertEquals(parseRequest(["--kernels"]), { kind: "kernels" });
  assertEquals(parseRequest(["-h"]), { kind: "help" });
  assertEquals(parseRequest(["--help", "--bogus"]), { kind: "help" });
});

Deno.test("parseRequest() chooses the engine vagrant for --halt and --destroy", () => {
  const shell = {
    kind: "shell",
    engine: "vagrant",
    modules: [] as string[],
    bundles: [] as BundleName[],
    kernel: undefined,
  } as const;
  assertEquals(parseRequest(["--shell", "--halt"]), { ...shell, afterwards: "halt" });
  assertEquals(parseRequest(["--engine", "vagrant", "--destroy", "--shell"]), {
    ...shell,
    afterwards: "destroy",
  });
});

Deno.test("parseRequest() accepts the kernel modules that a command needs", () => {
  assertEquals(parseRequest(["--needs", "iptable-nat", "--needs=overlay", "--", "true"]), {
    kind: "command",
    command: ["true"],
    modules: ["iptable_nat", "overlay"],
    bundles: [],
    engine: undefined,
    kernel: undefined,
    afterwards: undefined,
  });
});

Deno.test("parseRequest() accepts the programs to bring along, each once", () => {
  const words = ["--with", "docker26,etcd", "--with=etcd", "--", "true"];
  const request = parseRequest(words);
  assertEquals(request.kind === "command" && request.bundles, ["docker26", "etcd"]);
});

Deno.test("parseRequest() refuses unknown programs, two versions of one, and the wrong engine", () => {
  const refuse = (words: string[], message: string) => {
    const error = assertThrows(() => parseRequest([...words, "--", "true"]), UsageError);
    assertEquals((error as Error).message, `${message} (see --help)`);
  };
  const known =
    "docker20, docker26, containerd16, containerd21, podman4, podman5, etcd, frr, bird, iptables, dnsmasq, iperf3, tcpdump, systemd";
  refuse(["--with", "dokcer"], `Unknown programs "dokcer": --with takes ${known}`);
  refuse(["--with", "etcd,"], `Unknown programs "": --with takes ${known}`);
  refuse(
    ["--with", "docker20,docker26"],
    "Both docker20 and docker26 bring docker.io: choose one of them",
  );
  for (const engine of ["native", "vagrant"]) {
    refuse(
      ["--engine", engine, "--with", "etcd"],
      "Option --with works with --engine uml and qemu only",
    );
  }
});

Deno.test("parseRequest() accepts a kernel of Debian, all of them, or a file", async () => {
  const debian = parseRequest(["--kernel", "6.12"]);
  assertEquals(debian.kind === "scenarios" && debian.kernel, {
    kind: "debian",
    kernel: DEBIAN_KERNELS[2]!,
  });
  const all = parseRequest(["--kernel", "all"]);
  assertEquals(all.kind === "scenarios" && all.kernel, "all");
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/modules.dep`, "");
    await Deno.writeTextFile(`${folder}/linux.uml`, "\x7fELF");
    const words = ["--kernel", `${folder}/linux.uml`, "--modules", folder, "--shell"];
    const file = parseRequest(words);
    assertEquals(file.kind === "shell" && file.kernel, {
      kind: "file",
      path: `${folder}/linux.uml`,
      modules: folder,
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("kindOfKernel() recognizes kernels by their first bytes", () => {
  const bzImage = new Uint8Array(0x206);
  bzImage.set(new TextEncoder().encode("HdrS"), 0x202);
  assertEquals(kindOfKernel(bzImage), "bzImage");
  assertEquals(kindOfKernel(new TextEncoder().encode("\x7fELF\x02")), "uml");
  assertEquals(kindOfKernel(new TextEncoder().encode("#!/bin/sh")), undefined);
  assertEquals(kindOfKernel(new Uint8Array()), undefined);
});

Deno.test("parseRequest() reports all problems at once", () => {
  const cases: [string[], string][] = [
    [["--bogus"], "There is no option --bogus"],
    [
      ["--needs=", "--needs", "a b"],
      'The option --needs needs a value: MODULE; "a b" is not a name of a kernel module',
    ],
    [
      ["-x", "--bogus=1"],
      'There is no option -x; There is no option --bogus, as in "--bogus=1"',
    ],
    [["--no-list"], "There is no option --no-list"],
    [["--toString"], "There is no option --toString"],
    [["--shell=no"], 'The option --shell takes true or false, not "no"'],
    [["--engine", "kvm"], 'Unknown engine "kvm": the engines are native, uml, qemu, vagrant'],
    [["--engine"], "The option --engine needs a value: ENGINE"],
    [["--"], "No command after --"],
    [
      ["--kernel", "6.2"],
      'Unknown kernel "6.2": give 5.10, 6.1, 6.12, 7.2, all, or the file of a kernel, ' +
      "linux.uml or bzImage",
    ],
    [
      ["--kernel=6.1", "--modules=/"],
      "Option --modules works with --kernel FILE only; " +
      '"/" is not a folder of kernel modules: it has no modules.dep',
    ],
    [["--kernel=all", "--shell"], "Option --kernel all works with scenarios only"],
    [["--json"], "The option --json needs a value: FILE"],
    [["l2", "--shell"], 'Choose one of the scenario "l2" and --shell'],
    [["--playground", "--shell"], "Choose one of --playground and --shell"],
    [["l2", "--", "ls"], 'Choose one of the scenario "l2" and a command after --'],
    [["--json", "f", "--playground"], "Option --json works with scenarios only"],
    [["--json", "f", "--shell"], "Option --json works with scenarios only"],
    [["--report", "f", "--shell"], "Option --report works with scenarios only"],
    [
      ["--report", "f", "--kernel", "all"],
      "Option --report does not go with --kernel all: give one kernel, or none",
    ],
    [["--halt", "--destroy"], "Choose one of --halt and --destroy"],
    [["--halt", "--engine", "uml"], "Option --halt works with --engine vagrant only"],
    [["--destroy", "--list"], "Option --destroy cannot be used with --list"],
  ];
  for (const [words, message] of cases) {
    const error = assertThrows(() => parseRequest(words), UsageError) as Error;
    assertEquals(error.message, `${message} (see --help)`);
  }
});
