import { assert, assertEquals } from "@std/assert";
import { HELP, parse, PARTS, type Request } from "../../bench/args.ts";
import { readPage } from "../../kit/pages.ts";

function request(...words: string[]): Request {
  const parsed = parse(words);
  assert(parsed && !("problems" in parsed), JSON.stringify(parsed));
  return parsed;
}

function problems(...words: string[]): string[] {
  const parsed = parse(words);
  assert(parsed && "problems" in parsed, words.join(" "));
  return parsed.problems;
}

Deno.test("without words, all parts but the data path are measured, with five turns at least", () => {
  const { parts, job, ...rest } = request();
  assertEquals(parts, ["lab", "growth", "options", "cni", "docker", "podman", "hosts"]);
  for (const part of parts) assert(job(part).turns >= 5, part);
  assertEquals(job("lab").sizes, [1, 10, 100, 1000]);
  assertEquals(job("cni").sizes, [1, 20, 200]);
  assertEquals(rest, { engine: undefined, json: undefined, svg: undefined });
  for (const part of Object.keys(PARTS)) assert(HELP.includes(`\n  ${part} `), part);
});

Deno.test("parts, numbers and options are taken in any order", () => {
  const { parts, job, ...rest } = request(
    ...["cni", "--engine=qemu", "50", "lab", "5", "cni", "--json", "a.json", "--svg=b.svg"],
  );
  assertEquals(parts, ["lab", "cni"]);
  assertEquals(["lab", "cni"].map((part) => job(part).sizes), [[5, 50], [5, 50]]);
  assertEquals(request("datapath", "cni").parts, ["cni", "datapath"]);
  assertEquals(rest, { engine: "qemu", json: "a.json", svg: "b.svg" });
});

Deno.test("a short run has one turn and small numbers", () => {
  const { parts, job } = request("--quick");
  for (const part of parts) assertEquals(job(part).turns, 1);
  assert(job("lab").sizes.every((size) => size <= 100));
  assertEquals(job("cni").sizes, [1, 20]);
  assertEquals(request("--quick", "1000").job("lab").sizes, [1000]);
});

Deno.test("all that is wrong is said at once, a line each", () => {
  const known = "lab, growth, options, cni, docker, podman, hosts, datapath";
  assertEquals(
    problems("labb", "0", "1e3", "65001", "--nope", "--engine=uhm", "--json=/nope/f", "--svg=."),
    [
      "There is no option --nope",
      `There is no part labb (did you mean "lab"?): give ${known}`,
      "Invalid number 0: give one from 1 to 65000",
      "Invalid number 1e3: give one from 1 to 65000",
      "Invalid number 65001: give one from 1 to 65000",
      "There is no engine uhm: give native, uml, qemu, vagrant",
      "There is no folder /nope",
      ". is a folder: give a file",
    ],
  );
  assertEquals(problems("docker", "hosts", "5"), [
    "The numbers have no use for docker, hosts: they are for lab and cni",
  ]);
  assertEquals(problems("--svg=f", "--json=f"), ["--json and --svg name the same file"]);
  assertEquals(problems("--json"), ["The option --json needs a value: FILE"]);
  assertEquals(problems("toString"), [`There is no part toString: give ${known}`]);
  assertEquals(problems("--json=README.md/f"), ["There is no folder README.md"]);
  assertEquals(problems("\u001b[31mred"), [`There is no part "\\u001b[31mred": give ${known}`]);
  assertEquals(parse(["labb", "--help"]), undefined);
});

Deno.test("the bench takes each line that a page shows of it", () => {
  const pages = [
    "CONTRIBUTING.md",
    ...[...Deno.readDirSync("docs")].map(({ name }) => `docs/${name}`),
  ];
  const lines = pages.filter((page) => page.endsWith(".md")).flatMap((page) =>
    [...readPage(page).matchAll(/deno task bench\b([^`\n#]*)/g)].map(([, words = ""]) =>
      words.trim()
    )
  );
  assert(lines.length > 3, "the pages show no line");
  for (const line of lines) request(...line.split(/\s+/).filter((word) => word !== ""));
  assert(Object.keys(PARTS).every((part) => lines.some((line) => line.includes(part))));
});
