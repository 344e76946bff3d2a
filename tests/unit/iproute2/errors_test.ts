import { assertEquals, assertInstanceOf } from "@std/assert";
import { IpvlanError } from "../../../lib/base/errors.ts";
import { explainLinkAdd, kernelProblem } from "../../../lib/iproute2/kernel.ts";
import { ipCommandError } from "../../../lib/iproute2/errors.ts";
import { assertError } from "../../kit/errors.ts";

Deno.test("messages of ip become errno names, whatever the kernel's version", () => {
  const table = {
    "RTNETLINK answers: File exists": "EEXIST",
    'Cannot create namespace file "/run/netns/a": File exists': "EEXIST",
    "Error: ipv4: Address already assigned.": "EEXIST",
    "Error: ipv6: address already assigned.": "EEXIST",
    "Error: Address already assigned to an ipvlan device.": "EADDRINUSE",
    "RTNETLINK answers: Address already in use": "EADDRINUSE",
    "RTNETLINK answers: Operation not permitted": "EPERM",
    "mkdir /var/run/netns failed: Permission denied": "EPERM",
    "Error: Unknown device type.": "EOPNOTSUPP",
    "RTNETLINK answers: Operation not supported": "EOPNOTSUPP",
    "RTNETLINK answers: Device or resource busy": "EBUSY",
    'Cannot find device "x"': "ENODEV",
    'Device "x" does not exist.': "ENODEV",
    "RTNETLINK answers: No such device": "ENODEV",
    'Cannot remove namespace file "/run/netns/b": No such file or directory': "ENOENT",
    "Error: ipv4: FIB table does not exist.": "ENOENT",
    "RTNETLINK answers: No such process": "ESRCH",
    "RTNETLINK answers: Cannot assign requested address": "EADDRNOTAVAIL",
    "Error: ipv4: Address not found.": "EADDRNOTAVAIL",
    "Error: ipv6: address not found.": "EADDRNOTAVAIL",
    "Error: Nexthop has invalid gateway.": "ENETUNREACH",
    "RTNETLINK answers: Network is unreachable": "ENETUNREACH",
    "RTNETLINK answers: Invalid argument": "EINVAL",
    "Error: mtu greater than device maximum.": "unknown",
    "": "unknown",
  };
  for (const [said, errno] of Object.entries(table)) {
    assertEquals(ipCommandError("ip x", said).errno, errno, said);
  }
});

Deno.test("an error says why, without a full stop, and which command it was", () => {
  const error = ipCommandError("ip -n red link set x up", 'Device "x" does not exist.');
  assertInstanceOf(error, IpvlanError);
  assertEquals(error.code, "ip-command");
  assertEquals(error.message, 'Device "x" does not exist (ip -n red link set x up)');
  assertEquals(error.reason, 'Device "x" does not exist');
  assertEquals(error.command, "ip -n red link set x up");
  assertEquals(ipCommandError("ip x", "").reason, "No reason was given");
});

Deno.test("a refused link says which module or right is missing, and nothing else is explained", () => {
  const refused = (kind: string, said: string) =>
    explainLinkAdd(ipCommandError("ip -n red link add …", said), kind);
  for (const [kind, module] of [["ipvlan", "ipvlan"], ["vlan", "8021q"], ["bond", "bond"]]) {
    const error = refused(kind!, "Error: Unknown device type.");
    assertError(error, "missing-module");
    assertEquals(error.module, module);
  }
  const rights = refused("dummy", "RTNETLINK answers: Operation not permitted");
  assertError(rights, "missing-rights");
  assertError(refused("dummy", "RTNETLINK answers: File exists"), "ip-command");
});

Deno.test("the kernel's release is compared by number, down to 4.2", () => {
  for (const release of ["4.2", "4.2.0-rc1", "4.10.0", "5.0", "6.1.0-13-amd64", "10.0"]) {
    assertEquals(kernelProblem(release), undefined, release);
  }
  for (const release of ["4.1.99", "4.1", "3.19.0-generic", "2.6.32"]) {
    assertEquals(kernelProblem(release)?.release, release);
  }
});
