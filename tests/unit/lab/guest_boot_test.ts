import { assertEquals } from "@std/assert";
import { describePanic } from "../../../lab/guest/boot.ts";

Deno.test("describePanic() tells what was wrong, where, and the panic", () => {
  const log = [
    "[    9.1] BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "[    9.1] Oops: 0000 [#1] PREEMPT SMP NOPTI",
    "[    9.1] RIP: 0010:ipvlan_rcv_frame+0x1a/0x2b0 [ipvlan]",
    "[    9.2] Kernel panic - not syncing: Fatal exception in interrupt",
  ];
  assertEquals(
    describePanic(log),
    "BUG: kernel NULL pointer dereference, address: 0000000000000008; " +
      "RIP: 0010:ipvlan_rcv_frame+0x1a/0x2b0 [ipvlan]; " +
      "Kernel panic - not syncing: Fatal exception in interrupt",
  );
});

Deno.test("describePanic() has the panic alone where there is no more, and nothing without one", () => {
  const log = ["Kernel panic - not syncing: Attempted to kill init!", "---[ end Kernel panic"];
  assertEquals(describePanic(log), "Kernel panic - not syncing: Attempted to kill init!");
  assertEquals(describePanic(["it said nothing of that"]), undefined);
});
