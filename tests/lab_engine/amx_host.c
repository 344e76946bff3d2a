/*
 * A library to preload. With it, this machine's ptrace(2) behaves as on a processor with AMX: the
 * area of extended processor state has 11,008 bytes, and PTRACE_SETREGSET with fewer bytes fails with
 * EFAULT (xstateregs_set in arch/x86/kernel/fpu/regset.c). The bytes after the real area are zero.
 * User-Mode Linux 6.1 dies of this exactly as it does on a real processor with AMX.
 */
struct iovec {
  void *base;
  unsigned long length;
};

extern int *__errno_location(void);

enum { PTRACE = 101, GETREGSET = 0x4204, SETREGSET = 0x4205, XSTATE = 0x202, AREA = 11008, EFAULT = 14 };

static long fail(int error)
{
  *__errno_location() = error;
  return -1;
}

static long host(long number, long a, long b, long c, long d, long e, long f)
{
  long result, last[3];

  last[0] = d;
  last[1] = e;
  last[2] = f;
  __asm__ volatile("movq (%5), %%r10\n\tmovq 8(%5), %%r8\n\tmovq 16(%5), %%r9\n\tsyscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "b"(last)
                   : "r8", "r9", "r10", "rcx", "r11", "memory");
  return result < 0 && result > -4096 ? fail(-result) : result;
}

long syscall(long number, long a, long b, long c, long d, long e, long f)
{
  struct iovec *given = (struct iovec *)d;
  unsigned long wanted;

  if (number == PTRACE && a == SETREGSET && c == XSTATE && given->length < AREA)
    return fail(EFAULT);
  if (number == PTRACE && a == GETREGSET && c == XSTATE) {
    wanted = given->length < AREA ? given->length : AREA;
    if (host(number, a, b, c, d, e, f) < 0)
      return -1;
    while (given->length < wanted)
      ((char *)given->base)[given->length++] = 0;
    return 0;
  }
  return host(number, a, b, c, d, e, f);
}

long ptrace(long request, long pid, long address, long data)
{
  long word;

  if (request >= 1 && request <= 3) /* PEEK… */
    return syscall(PTRACE, request, pid, address, (long)&word, 0, 0) < 0 ? -1 : word;
  return syscall(PTRACE, request, pid, address, data, 0, 0);
}
