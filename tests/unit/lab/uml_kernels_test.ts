import { assertEquals } from "@std/assert";
import { DEBIAN_KERNELS } from "../../../lab/kernels.ts";
import {
  chooseCandidates,
  debianUml,
  describe,
  isOlder,
  type UmlKernel,
} from "../../../lab/uml/kernels.ts";

const FORKY = debianUml(DEBIAN_KERNELS.at(-1)!);
const MODULES = ["dummy", "8021q", "ipvlan", "veth", "bridge"];
const AMX = new Set(["fpu", "amx_tile"]);
const PLAIN = new Set(["fpu"]);
const BOOKWORM: UmlKernel = { origin: "own", release: "6.1.176" };

/** The descriptions of the kernels to try, in order. A user reads the same descriptions. */
function describeCandidates(flags: Set<string>, libc: string | undefined, kernels: UmlKernel[]) {
  return chooseCandidates({ flags, libc }, kernels, MODULES).map(describe);
}

Deno.test("chooseCandidates() puts the fastest first, and keeps the order of equally fast kernels", () => {
  assertEquals(describeCandidates(PLAIN, "2.36", [BOOKWORM, FORKY]), [
    "Linux 7.2, User-Mode Linux of Debian forky, its own C library",
    "Linux 6.1.176, User-Mode Linux",
  ]);
  const later: UmlKernel = { origin: "installed", release: "6.16.1" };
  assertEquals(describeCandidates(PLAIN, "2.43", [later, { origin: "own" }, FORKY]), [
    "Linux 6.16.1, User-Mode Linux",
    "Linux 7.2, User-Mode Linux of Debian forky",
    "User-Mode Linux of this machine's release",
  ]);
});

Deno.test("chooseCandidates() puts kernels that could not be fetched last", () => {
  assertEquals(describeCandidates(PLAIN, "2.43", [BOOKWORM, { ...FORKY, unreachable: true }]), [
    "Linux 6.1.176, User-Mode Linux",
    "Linux 7.2, User-Mode Linux of Debian forky",
  ]);
});

Deno.test("chooseCandidates() adapts ptrace to AMX if the kernel passes a fixed number of bytes", () => {
  assertEquals(describeCandidates(AMX, "2.36", [BOOKWORM, FORKY]), [
    "Linux 7.2, User-Mode Linux of Debian forky, its own C library",
    "Linux 6.1.176, User-Mode Linux, ptrace adapted to AMX",
  ]);
  const trixie: UmlKernel = { origin: "installed", release: "6.12.113" };
  assertEquals(describeCandidates(AMX, "2.41", [trixie]), [
    "Linux 6.12.113, User-Mode Linux, ptrace adapted to AMX",
  ]);
  assertEquals(describeCandidates(AMX, "2.43", [{ origin: "own", release: "7.2.7" }]), [
    "Linux 7.2.7, User-Mode Linux",
  ]);
});

Deno.test("chooseCandidates() adapts ptrace to AMX if the kernel's release is unknown", () => {
  assertEquals(chooseCandidates({ flags: AMX }, [{ origin: "own" }], MODULES), [
    { kernel: { origin: "own" }, xstate: true, libc: false, missing: [] },
  ]);
  assertEquals(describeCandidates(PLAIN, undefined, [{ origin: "own" }]), [
    "User-Mode Linux of this machine's release",
  ]);
});

Deno.test("chooseCandidates() adds the C library if the machine's is older or not GNU's", () => {
  const libc = (version?: string): boolean[] =>
    chooseCandidates({ flags: PLAIN, libc: version }, [FORKY, BOOKWORM], MODULES).map(({ libc }) =>
      libc
    );
  assertEquals(libc("2.36"), [true, false]);
  assertEquals(libc("2.42"), [true, false]);
  assertEquals(libc("2.43"), [false, false]);
  assertEquals(libc("3.0"), [false, false]);
  assertEquals(libc(undefined), [true, false]);
});

Deno.test("chooseCandidates() lists the modules that the job needs and a kernel lacks", () => {
  const modules = [...MODULES, "iptable_nat"];
  assertEquals(
    chooseCandidates({ flags: PLAIN, libc: "2.36" }, [FORKY, BOOKWORM], modules)
      .map(({ missing }) => missing),
    [["iptable_nat"], []],
  );
});

Deno.test("isOlder() compares versions by their numbers, and only as many as the second one has", () => {
  assertEquals(isOlder("6.1.176", "7.2"), true);
  assertEquals(isOlder("6.12.113", "6.2"), false);
  assertEquals(isOlder("7.2.7", "7.2"), false);
  assertEquals(isOlder("7.2", "7.2.7"), true);
  assertEquals(isOlder("2.9", "2.36"), true);
  assertEquals(isOlder("6.1.0-50-amd64", "6.1"), false);
});
