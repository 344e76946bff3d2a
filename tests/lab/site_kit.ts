import { Driver } from "../../lib/driver/mod.ts";
import { type TestHost, testHost } from "./command.ts";

/** A host that is left without networks, sandboxes and their processes, also by a test that fails. */
export async function siteHost(): Promise<TestHost> {
  await using undo = new AsyncDisposableStack();
  const host = undo.use(await testHost());
  undo.defer(async () => {
    await using driver = await Driver.open();
    await driver.recover();
    for (const { name } of driver.listSandboxes()) await driver.removeSandbox(name, "kill");
    await driver.pruneNetworks();
  });
  const kept = undo.move();
  return { ...host, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** A site file that is there for a test: `NAME.yaml`. */
export async function siteFile(
  text: string,
  name = "demo",
): Promise<{ path: string } & AsyncDisposable> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/${name}.yaml`;
  await Deno.writeTextFile(path, text);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}
