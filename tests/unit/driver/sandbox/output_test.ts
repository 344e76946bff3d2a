import { assert, assertEquals } from "@std/assert";
import { startInBackground } from "../../../../lib/driver/sandbox/background.ts";
import { KeptOutput, OUTPUT_LIMIT } from "../../../../lib/driver/sandbox/output.ts";
import { allEnded } from "../../../kit/processes.ts";
import { temporaryFolder } from "../../../kit/worlds.ts";
import { assertThrowsError } from "../../../kit/errors.ts";

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Starts a command whose output is kept. The command ends by itself. */
async function start(output: KeptOutput, words: string[], options = {}): Promise<string> {
  const folder = output.begin("c");
  // Nothing looks for it in a namespace here, so this waits for its end.
  await startInBackground(
    words,
    { keepOutput: true, ...options },
    folder,
    () => Promise.resolve([]),
  );
  return folder;
}

/** Waits until all output has been written, and returns it. */
async function all(output: KeptOutput): Promise<string> {
  let text = "";
  for await (const bytes of output.follow("c", () => Promise.resolve(true))) text += decode(bytes);
  return text;
}

Deno.test("what a command prints is kept, with its exit status", async () => {
  await using folder = await temporaryFolder();
  const output = new KeptOutput(folder.path, false);
  await start(output, ["sh", "-c", "echo out; echo err >&2; printf rest; exit 7"]);
  assertEquals(await all(output), "out\nerr\nrest");
  assertEquals(decode(output.read("c")), "out\nerr\nrest");
  assertEquals(await output.status("c"), 7);
  const modes = ["", "/log.0"].map((name) => Deno.statSync(output.of("c") + name).mode! & 0o777);
  assertEquals(modes, [0o700, 0o600]);
  await start(output, ["no-such-command"]);
  assertEquals(await output.status("c"), 127);
  output.remove("c");
  assertEquals([decode(output.read("c")), await output.status("c")], ["", undefined]);
  assertEquals([...Deno.readDirSync(`${folder.path}/output`)], []);
});

Deno.test("the folder and the variables are the command's, and not those of what runs afterwards", async () => {
  await using folder = await temporaryFolder();
  const output = new KeptOutput(folder.path, false);
  const seen = `${folder.path}/seen it's`;
  await start(output, ["sh", "-c", 'echo "$PWD $A"'], {
    cwd: "/proc",
    env: { A: "b c" },
    afterwards: ["sh", "-c", 'echo "$PWD ${A-none}" >"$1"; mv "$1" "$1 done"', "sh", seen],
  });
  assertEquals(await all(output), "/proc b c\n");
  const done = `${seen} done`;
  for (;;) {
    const text = await Deno.readTextFile(done).catch(() => "");
    if (text !== "") {
      assertEquals(text, `${Deno.cwd()} none\n`);
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

Deno.test("only the end of much output is kept, and nothing of it is lost to who follows", async () => {
  await using folder = await temporaryFolder();
  const output = new KeptOutput(folder.path, false);
  const lines = 400_000;
  const parts = [1, 2, 3, 4, 5, 6, 7, 8].map((part) => part * lines / 8);
  // About a file at once: the one who follows is woken for each of them.
  const words = parts.map((last) => `seq ${last - lines / 8 + 1} ${last}; sleep 0.1`).join(";");
  const started = start(output, ["sh", "-c", words]);
  const text = await all(output);
  await started;
  assert(text === Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join(""));
  const logs = [...Deno.readDirSync(`${folder.path}/output/c`)].map(({ name }) => name)
    .filter((name) => name.startsWith("log."));
  assertEquals(logs.length, 2);
  const sizes = logs.map((name) => Deno.statSync(`${folder.path}/output/c/${name}`).size);
  assert(sizes.every((size) => size <= OUTPUT_LIMIT + 64 * 4096), String(sizes));
  const kept = decode(output.read("c"));
  assert(kept.length >= OUTPUT_LIMIT, String(kept.length));
  assert(kept.endsWith(`${lines - 1}\n${lines}\n`));
});

Deno.test("output that was removed before it was read is said to be missing", async () => {
  await using folder = await temporaryFolder();
  const output = new KeptOutput(folder.path, false);
  const path = output.begin("c");
  const write = (number: number, text: string) =>
    Deno.writeTextFileSync(`${path}/log.${number}`, text, { append: true });
  write(0, "a\n");
  const pieces = output.follow("c", () => Promise.resolve(true));
  const next = async () => decode((await pieces.next()).value!);
  assertEquals(await next(), "a\n");
  // The file that is read is read to its end, although it is gone.
  write(0, "b\n");
  Deno.removeSync(`${path}/log.0`);
  write(1, "c\n");
  assertEquals(await next(), "b\nc\n");
  write(3, "e\n");
  write(4, "f\n");
  Deno.writeTextFileSync(`${path}/done`, "");
  assertEquals(
    await next(),
    "\n(ipvlan: output is missing here, as it came too fast)\ne\nf\n",
  );
  assertEquals((await pieces.next()).done, true);
});

Deno.test("a command whose folder is removed runs on, and ends as it would", async () => {
  await using folder = await temporaryFolder();
  const output = new KeptOutput(folder.path, false);
  const end = `${folder.path}/end`;
  const words = [
    "sh",
    "-c",
    `echo a; while [ ! -e ${end} ]; do sleep 0.01; done; seq 99999; echo $? >${end}`,
  ];
  const started = start(output, words);
  while (decode(output.read("c")) !== "a\n") await new Promise((resolve) => setTimeout(resolve, 5));
  output.remove("c");
  await Deno.writeTextFile(end, "");
  while (await Deno.readTextFile(end) !== "0\n") {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await started;
  assertEquals([...Deno.readDirSync(`${folder.path}/output`)], []);
});

Deno.test("a folder is removed although a command writes into it meanwhile", async () => {
  await using folder = await temporaryFolder();
  const output = new KeptOutput(folder.path, false);
  for (let round = 0; round < 100; round++) {
    const script = 'cd "$1"; echo; i=0; while [ $i -lt 50 ]; do i=$((i + 1)); : >f$i; done 2>&-';
    const args = ["-c", script, "sh", output.begin("c")];
    const writer = new Deno.Command("sh", { args, stdout: "piped" }).spawn();
    const reader = writer.stdout.getReader();
    await reader.read();
    output.remove("c");
    await reader.cancel();
    await writer.status;
    assertEquals([...Deno.readDirSync(`${folder.path}/output`)], []);
  }
});

Deno.test("a command whose folder was removed writes nothing into a later one of the same path", async () => {
  await using folder = await temporaryFolder();
  const output = new KeptOutput(folder.path, false);
  const go = `${folder.path}/go`;
  assert((await new Deno.Command("mkfifo", { args: [go] }).output()).success);
  const started = start(output, ["sh", "-c", `echo begun; read -r line <${go}; exit 7`]);
  while (decode(output.read("c")) === "") await new Promise((resolve) => setTimeout(resolve, 5));
  const later = output.begin("c");
  await Deno.writeTextFile(go, "\n");
  await allEnded(folder.path);
  assertEquals([...Deno.readDirSync(later)].map(({ name }) => name), ["log.0"]);
  await started;
});

Deno.test("under any umask, what a command prints is its user's alone, and the command has the umask", async () => {
  await using folder = await temporaryFolder();
  const output = new KeptOutput(folder.path, false);
  const umask = Deno.umask(0);
  try {
    const kept = await start(output, ["sh", "-c", `umask; seq 100000`]);
    assertEquals((await all(output)).split("\n")[0], "0000");
    const names = [...Deno.readDirSync(kept)].map(({ name }) => name);
    assert(["pid", "status", "done", "log.1"].every((name) => names.includes(name)), `${names}`);
    const modeOf = (name: string) => Deno.statSync(`${kept}/${name}`).mode! & 0o777;
    for (const name of names) assertEquals(modeOf(name), 0o600);
    output.keepStatus("c", 3);
    assertEquals([await output.status("c"), decode(output.read("c"))], [3, ""]);
    assertEquals(modeOf("status"), 0o600);
  } finally {
    Deno.umask(umask);
  }
});

Deno.test("a folder that cannot be made or removed is an error of the state folder", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/output`, "");
  const output = new KeptOutput(folder.path, false);
  assertThrowsError(() => output.begin("c"), "store-unusable", `${folder.path}/output`);
  assertThrowsError(() => output.remove("c"), "store-unusable", `${folder.path}/output`);
  new KeptOutput(folder.path, true).remove("c");
});
