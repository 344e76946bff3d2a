// The standard streams of a command in a sandbox. It does not get this program's terminal, but with
// `--tty` a pseudo-terminal (pty(7)), else pipes: with the terminal itself, it could inject input
// (TIOCSTI of ioctl_tty(2)) that the user's shell runs. We call the C library, as script(1) is not
// on every machine. A stream that is no terminal, such as a file, is inherited.
import { IpvlanError } from "../base/errors.ts";
import type { Arguments } from "./command.ts";

/** Flags of open(2), requests of ioctl_tty(2), an event of poll(2): the same wherever Deno runs. */
const [O_RDWR, O_NOCTTY, O_CLOEXEC] = [0o2, 0o400, 0o2000000];
const [TIOCGWINSZ, TIOCSWINSZ, TIOCGPTPEER, POLLIN] = [0x5413n, 0x5414n, 0x5441n, 1];
const TIOCGPTN = 0x80045430n;

/** For tcsetattr(3). A struct termios is shorter than this. */
const [STDIN, TCSADRAIN, TERMIOS_SIZE] = [0, 1, 128];

/** The maximum capacity of a pipe, in bytes: `fs.pipe-max-size` (pipe(7)). */
const CAPACITY = 1024 * 1024;

const SYMBOLS = {
  cfmakeraw: { parameters: ["buffer"], result: "void" },
  close: { parameters: ["i32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  eventfd_write: { parameters: ["i32", "u64"], result: "i32" },
  ioctl: { parameters: ["i32", "usize", "usize"], result: "i32" },
  ioctlWith: { name: "ioctl", parameters: ["i32", "usize", "buffer"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32", nonblocking: true },
  posix_openpt: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  tcgetattr: { parameters: ["i32", "buffer"], result: "i32" },
  tcsetattr: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  unlockpt: { parameters: ["i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize", nonblocking: true },
} as const;

export class Streams implements Disposable {
  /** The prefix of the command line: a shell that redirects the streams. */
  readonly words: string[] = [];
  /** The options to start the command with. The shell replaces inherited terminals. */
  readonly options: Pick<Deno.CommandOptions, "stdin" | "stdout" | "stderr" | "detached">;
  readonly #readsInput: boolean;
  /** The command's outputs: the descriptor to read from, and the stream to copy to. */
  readonly #outputs: { fd: number; to: WritableStreamDefaultWriter }[] = [];
  readonly #opened: number[] = [];
  /** The descriptor of our end of the command's terminal. */
  #terminal: number | undefined;
  /** The original settings of this program's terminal, as a struct termios. */
  #modes: Uint8Array<ArrayBuffer> | undefined;
  readonly #libc = Deno.dlopen("libc.so.6", SYMBOLS);

  /** Opens the terminal or the pipes, which the user of the command then owns. */
  constructor(args: Arguments, uid?: number) {
    const [tty, interactive] = [args.on("tty"), args.on("interactive")];
    const stdin = tty || !interactive ? "null" : Deno.stdin.isTerminal() ? "piped" : "inherit";
    this.#readsInput = interactive && stdin !== "inherit";
    // In its own session, it cannot open this terminal as /dev/tty either.
    this.options = { stdin, stdout: "inherit", stderr: "inherit", detached: true };
    using undo = new DisposableStack();
    undo.use(this);
    const redirections = tty ? this.#openTerminal() : this.#openPipes();
    if (redirections.length > 0) {
      this.words.push("sh", "-c", `exec ${redirections.join(" ")}; exec "$@"`, "sh");
    }
    if (uid !== undefined) {
      for (const fd of this.#opened) Deno.chownSync(`/proc/self/fd/${fd}`, uid, null);
    }
    undo.move();
  }

  /**
   * Puts this program's terminal into raw mode (`isRaw`), or restores it. `Deno.stdin.setRaw` would
   * still translate newlines in the output.
   */
  setRaw(isRaw: boolean): void {
    const hasKeys = this.#readsInput && this.#terminal !== undefined && Deno.stdin.isTerminal();
    if (isRaw ? !hasKeys : !this.#modes) return;
    const { tcgetattr, cfmakeraw, tcsetattr } = this.#libc.symbols;
    if (isRaw) tcgetattr(STDIN, this.#modes = new Uint8Array(TERMIOS_SIZE));
    const modes = this.#modes!.slice();
    if (isRaw) cfmakeraw(modes);
    tcsetattr(STDIN, TCSADRAIN, modes);
  }

  resize(): void {
    if (this.#terminal === undefined) return;
    const { ioctlWith } = this.#libc.symbols;
    const size = new Uint16Array(4);
    const isKnown = [0, 1, 2].some((fd) => ioctlWith(fd, TIOCGWINSZ, size) === 0);
    if (isKnown) ioctlWith(this.#terminal, TIOCSWINSZ, size);
  }

  /** Copies input and output until the command has ended and all its output is shown. */
  async carry(child: Deno.ChildProcess): Promise<void> {
    this.setRaw(true);
    if (this.#readsInput) this.#carryInput(child);
    if (this.#outputs.length > 0) await this.#carryOutput(child.status);
  }

  [Symbol.dispose](): void {
    this.setRaw(false);
    for (const { to } of this.#outputs) to.releaseLock();
    for (const fd of this.#opened) this.#libc.symbols.close(fd);
    this.#libc.close();
  }

  /** Opens a pseudo-terminal. Returns the redirections that give it to the command. */
  #openTerminal(): string[] {
    const { posix_openpt, unlockpt, ioctl, ioctlWith, open } = this.#libc.symbols;
    const flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
    const fd = this.#terminal = this.#keep(posix_openpt(flags));
    unlockpt(fd);
    // Not by its name in /dev/pts, which may be another terminal's here. Linux before 4.13 needs
    // it.
    let end = ioctl(fd, TIOCGPTPEER, BigInt(flags));
    if (end < 0) {
      const number = new Uint32Array(1);
      ioctlWith(fd, TIOCGPTN, number);
      end = open(new TextEncoder().encode(`/dev/pts/${number[0]}\0`), flags);
    }
    this.#keep(end);
    this.#outputs.push({ fd, to: Deno.stdout.writable.getWriter() });
    this.resize();
    // The first terminal that a session leader opens becomes its controlling terminal.
    return [`<>/proc/${Deno.pid}/fd/${end}`, ">&0", "2>&0"];
  }

  /** Opens a pipe for each output that is a terminal. Returns the redirections. */
  #openPipes(): string[] {
    // Outputs to the same terminal share one pipe, which keeps their order.
    const ends = new Map<number | null, number>();
    return [Deno.stdout, Deno.stderr].flatMap((stream, index) => {
      if (!stream.isTerminal()) return [];
      const { rdev } = Deno.statSync(`/proc/self/fd/${index + 1}`);
      if (!ends.has(rdev)) {
        const fds = new Int32Array(2);
        this.#libc.symbols.pipe2(fds, O_CLOEXEC);
        const [fd, end] = [this.#keep(fds[0]!), this.#keep(fds[1]!)];
        this.#outputs.push({ fd, to: stream.writable.getWriter() });
        ends.set(rdev, end);
      }
      return `${index + 1}>/proc/${Deno.pid}/fd/${ends.get(rdev)}`;
    });
  }

  #keep(fd: number): number {
    if (fd <= 0) throw new IpvlanError("no-terminal");
    this.#opened.push(fd);
    return fd;
  }

  /** Shows the command's output. We hold the write ends too, so a read sees no end of file. */
  async #carryOutput(status: Promise<unknown>): Promise<void> {
    const { eventfd, eventfd_write, poll, read } = this.#libc.symbols;
    const ended = this.#keep(eventfd(0, O_CLOEXEC));
    status.then(() => eventfd_write(ended, 1n));
    const bytes = new Uint8Array(64 * 1024);
    // A background process may keep the streams and print on. So after the end of the command, we
    // show no more than the streams can have buffered.
    for (let left = Infinity; left > 0;) {
      // The second half of each struct pollfd has the events to wait for, and those that came.
      const fds = [ended, ...this.#outputs.map(({ fd }) => fd)];
      const polled = Int32Array.from(fds.flatMap((fd) => [fd, POLLIN]));
      await poll(polled, BigInt(fds.length), -1);
      const [hasEnded, ...isReady] = fds.map((_, index) => polled[2 * index + 1]! >> 16 !== 0);
      if (hasEnded) left = Math.min(left, CAPACITY);
      if (hasEnded && !isReady.includes(true)) return;
      for (const { fd, to } of this.#outputs.filter((_, index) => isReady[index])) {
        const count = Number(read(fd, bytes, BigInt(bytes.length)));
        if (count <= 0) return;
        left -= count;
        // If this terminal is gone, SIGHUP is passed on to the command.
        await to.write(bytes.slice(0, count)).catch(() => {});
      }
    }
  }

  #carryInput(child: Deno.ChildProcess): void {
    const put = async (keys: Uint8Array<ArrayBuffer>) => {
      await this.#libc.symbols.write(this.#terminal!, keys, BigInt(keys.length));
    };
    // Ctrl-D ends the input of a terminal.
    const keyboard = new WritableStream({ write: put, close: () => put(Uint8Array.of(4)) });
    const to = this.#terminal === undefined ? child.stdin : keyboard;
    // It fails when the command has closed its input.
    Deno.stdin.readable.pipeTo(to).catch(() => {});
  }
}
