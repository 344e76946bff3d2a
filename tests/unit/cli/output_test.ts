import { assertEquals } from "@std/assert";
import { IPVLAN } from "../../kit/command.ts";
import { run } from "../../kit/processes.ts";
import { temporaryFolder } from "../../kit/worlds.ts";

/** Runs a line of sh(1) in a new folder. `$ipvlan` is the command there. Returns what it says. */
async function said(line: string): Promise<string> {
  await using folder = await temporaryFolder();
  const script = `cd ${folder.path}; ipvlan='${IPVLAN.join(" ")}'; ${line}`;
  const variables = [`IPVLAN_STATE_DIR=${folder.path}`, "CNI_COMMAND=VERSION"];
  return (await run("env", ...variables, "sh", "-c", script)).stderr;
}

Deno.test("output that cannot be written is one line and the exit status 1, whatever the command", async () => {
  const words = ["network ls", "--help", "cni </dev/null", "completion --complete -- network ''"];
  const results = words.map((each) => said(`$ipvlan ${each} >/dev/full; echo $? >&2`));
  const full = "ipvlan: The output cannot be written: No space left on device (os error 28)\n1\n";
  assertEquals(await Promise.all(results), words.map(() => full));
});

Deno.test("a reader that has enough ends nothing, and nothing is said of it", async () => {
  const line = "{ read _ <gone; $ipvlan network ls; echo $? >&2; } | { exec <&-; echo >gone; }";
  assertEquals(await said(`mkfifo gone; ${line}`), "0\n");
});

Deno.test("what cannot be said on standard error fails nothing", async () => {
  assertEquals(await said("( $ipvlan nope 2>/dev/full ); echo $? >&2"), "2\n");
});
