import { assertEquals } from "@std/assert";
import { DEBIAN_KERNELS } from "../../../lab/kernels.ts";
import {
  candidates,
  debianUml,
  describe,
  isOlder,
  type UmlKernel,
} from "../../../lab/uml_kernels.ts";

const FORKY = debianUml(DEBIAN_KERNELS.at(-1)!);
const MODULES = ["dummy", "8021q", "ipvlan", "veth", "bridge"];
const AMX = new Set(["fpu", "amx_tile"]);
const PLAIN = new Set(["fpu"]);
const BOOKWORM: UmlKernel = { origin: "own", release: "6.1.176" };

/** What is tried, in words: what a user reads is what was decided. */
function tried(flags: Set<string>, libc: string | undefined, kernels: UmlKernel[]) {
  return candidates({ flags, libc }, kernels, MODULES).map(describe);
}

Deno.test("candidates() tries the fastest first, and the machine's own before another as fast", () => {
  assertEquals(tried(PLAIN, "2.36", [BOOKWORM, FORKY]), [
    "Linux 7.2, User-Mode Linux of Debian forky, its own C library",
    "Linux 6.1.176, User-Mode Linux",
  ]);
  const later: UmlKernel = { origin: "installed", release: "6.16.1" };
  assertEquals(tried(PLAIN, "2.43", [later, { origin: "own" }, FORKY]), [
    "Linux 6.16.1, User-Mode Linux",
    "Linux 7.2, User-Mode Linux of Debian forky",
    "User-Mode Linux of this machine's release",
  ]);
});

Deno.test("candidates() tries last what could not be fetched", () => {
  assertEquals(tried(PLAIN, "2.43", [BOOKWORM, { ...FORKY, unreachable: true }]), [
    "Linux 6.1.176, User-Mode Linux",
    "Linux 7.2, User-Mode Linux of Debian forky",
  ]);
});

Deno.test("candidates() adapts ptrace to AMX where the kernel has a fixed size for it", () => {
  assertEquals(tried(AMX, "2.36", [BOOKWORM, FORKY]), [
    "Linux 7.2, User-Mode Linux of Debian forky, its own C library",
    "Linux 6.1.176, User-Mode Linux, ptrace adapted to AMX",
  ]);
  const trixie: UmlKernel = { origin: "installed", release: "6.12.113" };
  assertEquals(tried(AMX, "2.41", [trixie]), [
    "Linux 6.12.113, User-Mode Linux, ptrace adapted to AMX",
  ]);
  assertEquals(tried(AMX, "2.43", [{ origin: "own", release: "7.2.7" }]), [
    "Linux 7.2.7, User-Mode Linux",
  ]);
});

Deno.test("candidates() takes a kernel of unknown release for one that has a fixed size", () => {
  assertEquals(candidates({ flags: AMX }, [{ origin: "own" }], MODULES), [
    { kernel: { origin: "own" }, xstate: true, libc: false, missing: [] },
  ]);
  assertEquals(tried(PLAIN, undefined, [{ origin: "own" }]), [
    "User-Mode Linux of this machine's release",
  ]);
});

Deno.test("candidates() brings the C library along where the machine's is older or another", () => {
  const libc = (version?: string): boolean[] =>
    candidates({ flags: PLAIN, libc: version }, [FORKY, BOOKWORM], MODULES).map(({ libc }) => libc);
  assertEquals(libc("2.36"), [true, false]);
  assertEquals(libc("2.42"), [true, false]);
  assertEquals(libc("2.43"), [false, false]);
  assertEquals(libc("3.0"), [false, false]);
  assertEquals(libc(undefined), [true, false]);
});

Deno.test("candidates() names the modules that a job wants and a kernel lacks", () => {
  const modules = [...MODULES, "iptable_nat"];
  assertEquals(
    candidates({ flags: PLAIN, libc: "2.36" }, [FORKY, BOOKWORM], modules)
      .map(({ missing }) => missing),
    [["iptable_nat"], []],
  );
});

Deno.test("isOlder() compares numbers, as far as they are given", () => {
  assertEquals(isOlder("6.1.176", "7.2"), true);
  assertEquals(isOlder("6.12.113", "6.2"), false);
  assertEquals(isOlder("7.2.7", "7.2"), false);
  assertEquals(isOlder("7.2", "7.2.7"), true);
  assertEquals(isOlder("2.9", "2.36"), true);
  assertEquals(isOlder("6.1.0-50-amd64", "6.1"), false);
});
