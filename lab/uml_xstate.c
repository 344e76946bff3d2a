/*
 * A library to preload into User-Mode Linux on a processor with AMX.
 *
 * User-Mode Linux 6.1 and 6.12 keep 2,696 bytes of extended processor state and pass them to
 * ptrace(PTRACE_SETREGSET, NT_X86_XSTATE) (arch/x86/um/os-Linux/registers.c). The host requires its
 * whole area (xstateregs_set in arch/x86/kernel/fpu/regset.c), 11,008 bytes with AMX, and returns
 * EFAULT. The guest's first process then dies of SIGSEGV. This ptrace reads the whole area, replaces
 * its beginning with the kernel's bytes, and writes the whole area.
 *
 * It includes no header, so that a compiler alone is enough.
 */
struct iovec {
  void *base;
  unsigned long length;
};

extern long syscall(long, ...);
extern void *memcpy(void *, const void *, unsigned long);

enum { PTRACE = 101, PEEKTEXT = 1, PEEKUSER = 3, GETREGSET = 0x4204, SETREGSET = 0x4205, XSTATE = 0x202 };

/* The host's area. Only the processor knows its size, which is far smaller than this. */
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
  /* The C library returns the word. The system call stores it through a pointer. */
  if (request >= PEEKTEXT && request <= PEEKUSER)
    return syscall(PTRACE, request, pid, address, &word) < 0 ? -1 : word;
  return syscall(PTRACE, request, pid, address, data);
}
