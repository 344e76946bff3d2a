/**
 * A shell on a host with `eth0`, a router, a PC, and the command `ipvlan`, for trying things out:
 * `deno task lab --playground`.
 *
 * @module
 */
import { which } from "../../lab/machine.ts";
import { Ip } from "../../lib/iproute2/ip.ts";
import { netnsOf, portOf, startMachine } from "./machines/machine.ts";
import { Switch } from "./machines/switch.ts";

/** Lines to begin with. They work unchanged, also all pasted at once. */
export const FIRST_LINES = [
  "ipvlan network create -d ipvlan --subnet=192.168.20.0/24 --gateway=192.168.20.1 -o parent=eth0.20 ipvlan20",
  "ipvlan run --net ipvlan20 --name probe --rm ping -c 1 192.168.20.1",
  "ipvlan run --net ipvlan20 --name probe --rm ping -c 1 192.168.1.50",
] as const;

const GREETING = `
eth0 of this machine, 192.168.1.250, leads to a switch. On it are a PC, 192.168.1.50, and a
router, 192.168.1.1, which is 192.168.20.1 in VLAN 20. Try these lines, and "exit" in the end:

${FIRST_LINES.join("\n")}
`;

/**
 * The startup file of bash: the user's own, and the completion of `ipvlan`. It keeps no history, as
 * the home may be the user's.
 */
const BASHRC = `[ ! -r ~/.bashrc ] || . ~/.bashrc
unset HISTFILE
eval "$(ipvlan completion bash)"
`;

/** Makes `eth0` in this process's own network namespace, and the machines that it leads to. */
async function buildPlayground(): Promise<AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const root = undo.use(await Ip.open());
  const netns = netnsOf("switch");
  await root.netns.add(netns);
  undo.defer(() => root.netns.del(netns));
  const fabric = undo.use(await Switch.start(netns, []));
  const links = { "eth0": ["192.168.1.1/24"], "eth0.20": ["192.168.20.1/24"] };
  await startMachine({ name: "router", links, router: true }, { root, fabric, undo });
  await startMachine(
    { name: "pc", links: { eth0: ["192.168.1.50/24"] }, gateways: ["192.168.1.1"], access: 1 },
    { root, fabric, undo },
  );
  await fabric.plug(portOf("host", "eth0"), { netns: `/proc/${Deno.pid}/ns/net`, link: "eth0" });
  undo.defer(() => root.link.del("eth0"));
  await root.link.set("eth0", { up: true });
  await root.addr.add({ dev: "eth0", address: "192.168.1.250/24" });
  return undo.move();
}

/** Runs a shell on the terminal of this process. Resolves to its exit status. */
async function runShell(): Promise<number> {
  // Nothing outside the lab sees this folder.
  const bashrc = "/run/ipvlan-playground.bashrc";
  await Deno.writeTextFile(bashrc, BASHRC);
  const shell = which("bash")
    ? new Deno.Command("bash", { args: ["--rcfile", bashrc, "-i"] })
    : new Deno.Command("sh", { args: ["-i"] });
  return (await shell.spawn().status).code;
}

async function main(): Promise<number> {
  if (Deno.env.get("IPVLAN_LAB") === undefined) {
    // Outside the lab, eth0 would be this machine's own.
    const { main: lab } = await import("../../lab/main.ts");
    return await lab(["--playground"]);
  }
  await using _playground = await buildPlayground();
  console.log(GREETING);
  return await runShell();
}

if (import.meta.main) Deno.exit(await main());
