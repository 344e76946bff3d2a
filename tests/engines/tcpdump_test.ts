// What passes on a cable of the lab, in a file that Wireshark opens.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { capture } from "../../scenarios/kit/machines/faults.ts";
import { World } from "../../scenarios/kit/machines/world.ts";
import { succeed } from "../../scenarios/kit/program.ts";
import { temporaryFolder } from "../kit/worlds.ts";

Deno.test("all frames on a cable are in a file, in both directions and with their tags", async () => {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/cable.pcap`;
  await using _world = await World.build({
    host: { "eth0.20": ["10.0.20.2/24"] },
    lan: { pc: { addresses: ["10.0.20.4/24"], vlan: 20 } },
  });
  const ping = () => succeed("ip", "netns", "exec", "lab-pc", "ping", "-c1", "-W3", "10.0.20.2");
  {
    await using _captured = await capture("host", "eth0", file);
    await ping();
  }
  const { size } = await Deno.stat(file);
  await ping();
  assertEquals((await Deno.stat(file)).size, size);
  assertEquals((await Deno.readFile(file)).slice(0, 4), new Uint8Array([0xd4, 0xc3, 0xb2, 0xa1]));
  const shown = (await succeed("tcpdump", "-n", "-e", "-r", file)).split("\n");
  for (const message of ["echo request", "echo reply"]) {
    const line = shown.find((each) => each.includes(message));
    assert(line !== undefined, shown.join("\n"));
    assertStringIncludes(line, "vlan 20");
  }
});
