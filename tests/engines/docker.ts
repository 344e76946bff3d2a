// The tests that every version of Docker has to pass: `docker26_test.ts` and others run them, each
// in a guest of the lab with this version.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { IMAGE, startDocker } from "../../scenarios/kit/engines/daemon.ts";
import { state, withRouter } from "./machine.ts";

/**
 * Registers the tests.
 *
 * @param version The version of Docker: `26.1`.
 */
export function dockerTests(version: string): void {
  Deno.test(`Docker ${version} starts, its own ipvlan networks work, and it leaves nothing`, async () => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    const before = await state(ip);
    {
      await using docker = await startDocker();
      const engine = await docker.succeed("version", "--format", "{{.Server.Version}}");
      assertEquals(engine.startsWith(`${version}.`), true, engine);
      const options = ["--subnet=192.168.1.0/24", "--gateway=192.168.1.1", "-o", "parent=eth0"];
      await docker.succeed("network", "create", "-d", "ipvlan", ...options, "db_net");
      await docker.succeed("run", "-d", "--net=db_net", "--name=c1", IMAGE, "sleep", "1000");
      // The name needs the NAT of iptables in the container's namespace.
      const ping = ["run", "--rm", "--net=db_net", IMAGE, "ping", "-c", "1", "c1"];
      assertStringIncludes(await docker.succeed(...ping), "1 packets received");
      const out = await docker.succeed("exec", "c1", "ping", "-c", "1", "192.168.1.1");
      assertStringIncludes(out, "1 packets received");
    }
    assertEquals(await state(ip), before);
  });
}
