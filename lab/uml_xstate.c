/*
 * Preloaded into User-Mode Linux on a processor with AMX.
 *
 * User-Mode Linux 6.1 and 6.12 keep 2,696 bytes of extended processor state and hand them to
 * ptrace(PTRACE_SETREGSET, NT_X86_XSTATE) (arch/x86/um/os-Linux/registers.c). The host wants its
 * whole area (xstateregs_set in arch/x86/kernel/fpu/regset.c), 11,008 bytes with AMX, and answers
 * EFAULT; the guest's first process then dies of SIGSEGV. This ptrace reads the whole area, lays
 * the kernel's bytes over its beginning, and writes the whole.
 *
 * It needs no header, so that a compiler alone is enough.
 */
struct iovec {
  void *base;
  unsigned long length;
};

extern long syscall(long, ...);
extern void *memcpy(void *, const void *, unsigned long);

enum { PTRACE = 101, PEEKTEXT = 1, PEEKUSER = 3, GETREGSET = 0x4204, SETREGSET = 0x4205, XSTATE = 0x202 };

/* The host's area; its size is known to the processor alone, and far below this. */
static char area[65536];

long ptrace(long request, long pid, long address, void *data)
{
  struct iovec *given = data, whole = { area, sizeof area };
  long word;

  if (request == SETREGSET && address == XSTATE) {
    if (syscall(PTRACE, GETREGSET, pid, address, &whole) < 0)
      return -1;
    if (given->length < whole.length) {
      memcpy(area, given->base, given->length);
      return syscall(PTRACE, SETREGSET, pid, address, &whole);
    }
  }
  /* The C library returns the word; the system call stores it where `data` points. */
  if (request >= PEEKTEXT && request <= PEEKUSER)
    return syscall(PTRACE, request, pid, address, &word) < 0 ? -1 : word;
  return syscall(PTRACE, request, pid, address, data);
}
