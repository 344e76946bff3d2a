import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { MissingError } from "../../../lab/errors.ts";
import {
  allowsExec,
  chooseMemory,
  claimCpu,
  divideMemory,
  guestsThatFit,
  parseCpuList,
} from "../../../lab/machine.ts";

const SHM = { path: "/dev/shm", free: 12000, exec: true };
const TMP = { path: "/tmp", free: 80000, exec: true };

Deno.test("chooseMemory() takes the first place with room for all the memory", () => {
  assertEquals(chooseMemory([SHM, TMP], 16000), { path: "/dev/shm", size: 2048 });
});

Deno.test("chooseMemory() skips a place that is too small or noexec, as in containers", () => {
  const full = { path: "/tmp", size: 2048 };
  assertEquals(chooseMemory([{ ...SHM, free: 64 }, TMP], 16000), full);
  assertEquals(chooseMemory([{ ...SHM, exec: false }, TMP], 16000), full);
});

Deno.test("chooseMemory() chooses less memory if there is not enough", () => {
  assertEquals(chooseMemory([SHM, TMP], 1000), { path: "/dev/shm", size: 750 });
  const small = [{ ...SHM, free: 900 }, { ...TMP, free: 1000 }];
  assertEquals(chooseMemory(small, 16000), { path: "/tmp", size: 744 });
});

Deno.test("chooseMemory() reports the free space of each place if none has enough", () => {
  const places = [{ ...SHM, free: 64 }, { ...TMP, exec: false }];
  const error = assertThrows(() => chooseMemory(places, 16000), MissingError) as Error;
  assertStringIncludes(error.message, "64 MiB in /dev/shm, /tmp forbids execution");
  assertStringIncludes(error.message, "set TMPDIR");
  assertThrows(() => chooseMemory([SHM], 600), MissingError);
  assertEquals(chooseMemory([SHM], 1000).size, 750);
  assertThrows(() => chooseMemory([SHM], 1000, 1024), MissingError, "with 1280 MiB");
});

Deno.test("allowsExec() reads the options of the folder's mount", () => {
  const mounts = [
    "/dev/vda / ext4 rw 0 0",
    "tmpfs /dev/shm tmpfs rw,nosuid,noexec 0 0",
    "tmpfs /tmp tmpfs rw,noexec 0 0",
    "tmpfs /tmp tmpfs rw 0 0",
    "tmpfs /tmpx tmpfs rw,noexec 0 0",
    "",
  ].join("\n");
  assertEquals(allowsExec(mounts, "/dev/shm"), false);
  assertEquals(allowsExec(mounts, "/dev/shm/deep"), false);
  assertEquals(allowsExec(mounts, "/dev/shmem"), true);
  assertEquals(allowsExec(mounts, "/tmp"), true);
  assertEquals(allowsExec(mounts, "/var/tmp"), true);
});

Deno.test("guestsThatFit() allows as many guests as have enough memory", () => {
  const place = (free: number) => [{ path: "/dev/shm", free, exec: true }];
  assertEquals(guestsThatFit(4, place(20_000), 20_000), 4);
  // Each guest needs 256 MiB besides its memory.
  assertEquals(guestsThatFit(4, place(4 * 1280), 20_000), 4);
  assertEquals(guestsThatFit(4, place(4 * 1280 - 1), 20_000), 3);
  assertEquals(guestsThatFit(8, place(20_000), 4200), 3);
  // The lab always tries one guest, which then reports the lack of memory.
  assertEquals(guestsThatFit(4, place(64), 20_000), 1);
  assertEquals(divideMemory(place(4 * 1280), 20_000, 4), { path: "/dev/shm", size: 1024 });
});

Deno.test("parseCpuList() parses the kernel's list format", () => {
  assertEquals(parseCpuList("0-1"), [0, 1]);
  assertEquals(parseCpuList("3"), [3]);
  assertEquals(parseCpuList("0,2-4,7"), [0, 2, 3, 4, 7]);
});

Deno.test("guests that run at the same time divide the CPUs evenly", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const cpus = [3, 5];
    using first = await claimCpu(folder, cpus);
    {
      using second = await claimCpu(folder, cpus);
      assertEquals([first.cpu, second.cpu], [3, 5]);
      using third = await claimCpu(folder, cpus);
      using fourth = await claimCpu(folder, cpus);
      assertEquals([third.cpu, fourth.cpu], [3, 5]);
    }
    using next = await claimCpu(folder, cpus);
    assertEquals(next.cpu, 5);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
