// The tests that every version of containerd has to pass: `containerd16_test.ts` and others run them,
// each in a guest of the lab with this version.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { Daemon, IMAGE, loadImage } from "../../scenarios/kit/engines/daemon.ts";
import { firstLines } from "../kit/pages.ts";
import { succeed } from "../kit/processes.ts";
import { withIpvlan } from "../../scenarios/kit/engines/machine.ts";
import { state, withRouter } from "./machine.ts";
import { writeNetwork } from "./cni.ts";

/**
 * Registers the tests.
 *
 * @param version The version of containerd, or how it begins: `1.6`.
 * @param cniVersion The version of the CNI specification for its networks: `1.1.0`.
 * @param withProgram Puts the command `ipvlan` on PATH until the end of the scope.
 */
export function containerdTests(
  version: string,
  cniVersion: string,
  withProgram: () => Promise<AsyncDisposable> = withIpvlan,
): void {
  Deno.test(`containerd ${version} starts, runs containers with CNI's ipvlan and with the page's lines, and leaves nothing`, async () => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    await using _ipvlan = await withProgram();
    const before = await state(ip);
    await writeNetwork(cniVersion);
    {
      const ready = /containerd successfully booted/;
      await using _daemon = await Daemon.start(["containerd"], { ready });
      const engine = await succeed("ctr", "version");
      assertStringIncludes(engine.slice(engine.indexOf("Server:")), `Version:  ${version}.`);
      await loadImage("ctr", "image", "import");
      // We look at the exit status: ctr 2.1 may lose the end of the output.
      const script = "ip route | grep 'default via 192.168.1.1' && ping -c 1 192.168.1.1";
      await succeed("ctr", "run", "--rm", "--cni", IMAGE, "c1", "sh", "-c", script);
      await succeed("rm", "/etc/cni/net.d/50-l2net.conflist");
      await succeed("sh", "-ec", firstLines("docs/cni-engine.md"));
      await succeed("rm", "/opt/cni/bin/ipvlan-kit");
    }
    assertEquals(await state(ip), before);
  });
}
