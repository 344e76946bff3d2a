// What the tests of engines with CNI have in common.

/**
 * Writes the configuration of a CNI network `l2net` on the parent `eth0`, for the reference plugin
 * `ipvlan` with `host-local`.
 *
 * @param cniVersion The version of the specification: `1.0.0`.
 */
export async function writeNetwork(cniVersion: string): Promise<void> {
  const ipam = {
    type: "host-local",
    subnet: "192.168.1.0/24",
    rangeStart: "192.168.1.80",
    gateway: "192.168.1.1",
    routes: [{ dst: "0.0.0.0/0" }],
  };
  const plugins = [{ type: "ipvlan", master: "eth0", ipam }];
  await Deno.mkdir("/etc/cni/net.d", { recursive: true });
  await Deno.writeTextFile(
    "/etc/cni/net.d/50-l2net.conflist",
    JSON.stringify({ cniVersion, name: "l2net", plugins }),
  );
}
