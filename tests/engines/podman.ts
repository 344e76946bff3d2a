// The tests that every version of Podman has to pass: `podman5_test.ts` and others run them, each in
// a guest of the lab with this version.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Ip } from "../../lib/iproute2/ip.ts";
import { IMAGE, loadImage } from "../../scenarios/kit/engines/daemon.ts";
import { succeed } from "../kit/processes.ts";
import { state, withRouter } from "./machine.ts";

/**
 * Registers the tests.
 *
 * @param version The version of Podman: `5.4`.
 * @param backend Its network backend.
 * @param makeNetwork Makes the network `l2net` on the parent `eth0`.
 */
export function podmanTests(
  version: string,
  backend: "cni" | "netavark",
  makeNetwork: () => Promise<unknown>,
): void {
  Deno.test(`Podman ${version} runs containers with ${backend}'s ipvlan, and leaves nothing`, async () => {
    await using ip = await Ip.open();
    await using _router = await withRouter(ip);
    await loadImage("podman", "load", "--quiet", "--input");
    const before = await state(ip);
    const info = "{{.Version.Version}} {{.Host.NetworkBackend}}";
    const [engine = "", used] = (await succeed("podman", "info", "--format", info)).split(" ");
    assertEquals([engine.startsWith(`${version}.`), used], [true, backend], engine);
    await makeNetwork();
    const run = ["run", "--network=l2net", "--cap-add=NET_RAW"];
    await succeed("podman", ...run, "--detach", "--name=c1", IMAGE, "sleep", "1000");
    const script = "ip route; ping -c 1 192.168.1.1";
    const out = await succeed("podman", ...run, "--rm", IMAGE, "sh", "-c", script);
    assertStringIncludes(out, "default via 192.168.1.1");
    assertStringIncludes(out, "1 packets received");
    assertStringIncludes(await succeed("podman", "exec", "c1", "ip", "addr"), "192.168.1.");
    await succeed("podman", "rm", "--force", "--time=0", "c1");
    await succeed("podman", "network", "rm", "l2net");
    assertEquals(await state(ip), before);
  });
}
