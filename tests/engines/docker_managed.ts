// The test of ipvlan-kit as a managed plugin, which Docker runs from a folder of `ipvlan docker bundle`.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Driver } from "../../lib/driver/mod.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { type Docker, IMAGE, startDocker } from "../../scenarios/kit/engines/daemon.ts";
import { ipvlanCommand } from "../../scenarios/kit/engines/machine.ts";
import { succeed } from "../../scenarios/kit/program.ts";
import { state, withRouter } from "./machine.ts";

/** Makes and enables the plugin. */
async function install(docker: Docker, folder: string, stateDir: string): Promise<void> {
  const [program = "", ...words] = ipvlanCommand();
  const command = [...words, "docker", "bundle", `${folder}/plugin`];
  await succeed("env", `IPVLAN_STATE_DIR=${stateDir}`, program, ...command);
  await docker.succeed("plugin", "create", "ipvlan-kit", `${folder}/plugin`);
  await Deno.remove(`${folder}/plugin`, { recursive: true });
  await docker.succeed("plugin", "enable", "ipvlan-kit");
}

/** Starts a container that does nothing. */
async function start(docker: Docker, name: string): Promise<void> {
  await docker.succeed("run", "-d", "--net=lan", `--name=${name}`, IMAGE, "sleep", "1000");
}

/** Asserts that a container reaches all of these addresses or names. */
async function reaches(docker: Docker, name: string, ...targets: string[]): Promise<void> {
  const script = targets.map((target) => `ping -c 1 -W 5 ${target}`).join(" && ");
  await docker.succeed("exec", name, "sh", "-c", script);
}

async function addressOf(docker: Docker, name: string): Promise<string> {
  const path = "{{.NetworkSettings.Networks.lan.IPAddress}}";
  return await docker.succeed("inspect", "-f", path, name);
}

/**
 * Registers the test.
 *
 * @param version The version of Docker: `26.1`.
 */
export function managedTest(version: string): void {
  Deno.test(`Docker ${version} runs ipvlan-kit as a managed plugin, and its records stay`, async (t) => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    const folder = await Deno.makeTempDir();
    await using _folder = {
      [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
    };
    const stateDir = `${folder}/state`;
    await Deno.mkdir(stateDir, { mode: 0o700 });
    const before = await state(ip);
    const records = async () => {
      await using driver = await Driver.open({ stateDir });
      return [driver.listNetworks().length, driver.listSandboxes().length];
    };
    {
      await using docker = await startDocker();
      await using undo = new AsyncDisposableStack();
      undo.defer(async () => {
        await docker.run("plugin", "rm", "--force", "ipvlan-kit");
      });

      await t.step("containers reach each other and the router", async () => {
        await install(docker, folder, stateDir);
        const lan = ["--subnet=192.168.1.0/24", "--gateway=192.168.1.1", "-o", "parent=eth0"];
        const ours = ["-d", "ipvlan-kit:latest", "--ipam-driver", "ipvlan-kit:latest"];
        await docker.succeed("network", "create", ...ours, ...lan, "lan");
        await start(docker, "c1");
        await start(docker, "c2");
        await reaches(docker, "c1", "192.168.1.1", "192.168.1.3", "c2");
        assertEquals(await records(), [1, 2]);
      });

      await t.step("a plugin that is used is disabled by force, and containers go on", async () => {
        const { stderr } = await docker.run("plugin", "disable", "ipvlan-kit");
        assertStringIncludes(stderr, "is in use");
        await docker.succeed("plugin", "disable", "--force", "ipvlan-kit");
        await reaches(docker, "c1", "192.168.1.1", "192.168.1.3");
        await docker.succeed("plugin", "enable", "ipvlan-kit");
        await docker.succeed("restart", "-t", "0", "c1");
        assertEquals(await addressOf(docker, "c1"), "192.168.1.2");
        await reaches(docker, "c1", "192.168.1.1", "c2");
      });

      await t.step("the next plugin takes over its networks and addresses", async () => {
        await docker.succeed("plugin", "rm", "--force", "ipvlan-kit");
        await install(docker, folder, stateDir);
        await start(docker, "c3");
        assertEquals(await addressOf(docker, "c3"), "192.168.1.4");
        await reaches(docker, "c3", "192.168.1.1", "192.168.1.2", "c2");
      });

      await t.step("without networks it goes, and nothing is left", async () => {
        await docker.succeed("rm", "--force", "c1", "c2", "c3");
        await docker.succeed("network", "rm", "lan");
        assertEquals(await records(), [0, 0]);
        await docker.succeed("plugin", "disable", "ipvlan-kit");
        await docker.succeed("plugin", "rm", "ipvlan-kit");
      });
    }
    assertEquals(await state(ip), before);
  });
}
