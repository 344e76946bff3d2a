// Headless Chromium, driven by the DevTools protocol.
import { which } from "../../lab/machine.ts";
import { UserError } from "../../lib/base/errors.ts";

/** The names of Chromium's program. */
const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];

type Fields = Record<string, unknown>;

interface Answer {
  id?: number;
  method?: string;
  params?: Fields;
  result?: Fields;
  error?: { message: string };
}

/** A browser with one page. Disposing of it ends it, and removes its folder. */
export class Browser implements AsyncDisposable {
  readonly #undo: AsyncDisposableStack;
  readonly #socket: WebSocket;
  readonly #calls = new Map<number, PromiseWithResolvers<Fields>>();
  readonly #waiting = new Map<string, () => void>();
  #count = 0;
  #session: string | undefined;
  /** The addresses that the page has asked for. */
  readonly requests: string[] = [];

  private constructor(socket: WebSocket, undo: AsyncDisposableStack) {
    this.#socket = socket;
    this.#undo = undo;
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = () => {
      for (const { reject } of this.#calls.values()) reject(new Error("the browser has ended"));
    };
  }

  /** Starts the browser. @throws {UserError} There is none. */
  static async start(): Promise<Browser> {
    const program = PROGRAMS.find(which);
    if (program === undefined) {
      throw new UserError("There is no Chromium: apt-get install chromium");
    }
    await using undo = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "ipvlan-browser-" });
    undo.defer(() => Deno.remove(folder, { recursive: true }));
    const child = new Deno.Command(program, {
      args: [
        ...["--headless=new", "--remote-debugging-port=0", `--user-data-dir=${folder}`],
        ...[
          "--disable-gpu",
          "--hide-scrollbars",
          "--no-first-run",
          "--disable-background-networking",
        ],
        // Chromium's own sandbox does not start as root.
        ...Deno.uid() === 0 ? ["--no-sandbox"] : [],
        "about:blank",
      ],
      env: { HOME: folder },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const end = () => {
      try {
        child.kill();
      } catch {
        // It has already ended.
      }
    };
    undo.defer(async () => {
      end();
      await child.status;
    });
    const log = child.stderr.pipeThrough(new TextDecoderStream());
    let output = "";
    let url: string | undefined;
    for await (const text of log.values({ preventCancel: true })) {
      output += text;
      url = /DevTools listening on (\S+)/.exec(output)?.[1];
      if (url !== undefined) break;
    }
    if (url === undefined) throw new UserError(`${program} does not start: ${output.trim()}`);
    // What it says later is not read, and must not fill the pipe.
    const rest = log.pipeTo(new WritableStream());
    undo.defer(() => {
      end();
      return rest;
    });
    const socket = new WebSocket(url);
    const opened = Promise.withResolvers<unknown>();
    socket.onopen = opened.resolve;
    socket.onerror = opened.reject;
    await opened.promise;
    const browser = new Browser(socket, undo.move());
    const { targetId } = await browser.call("Target.createTarget", { url: "about:blank" });
    const attached = await browser.call("Target.attachToTarget", { targetId, flatten: true });
    browser.#session = `${attached.sessionId}`;
    for (const domain of ["Page", "Network"]) await browser.call(`${domain}.enable`);
    return browser;
  }

  #hear({ id, method, params, result, error }: Answer): void {
    if (id !== undefined) {
      const call = this.#calls.get(id);
      this.#calls.delete(id);
      if (error) call?.reject(new Error(error.message));
      else call?.resolve(result ?? {});
    }
    if (method === "Network.requestWillBeSent") {
      this.requests.push(`${(params!.request as Fields).url}`);
    }
    if (method !== undefined) this.#waiting.get(method)?.();
  }

  /** Calls a method of the protocol (https://chromedevtools.github.io/devtools-protocol/). */
  async call(method: string, params: Fields = {}): Promise<Fields> {
    const id = ++this.#count;
    const call = Promise.withResolvers<Fields>();
    this.#calls.set(id, call);
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#session }));
    return await call.promise;
  }

  /** Opens a page, and resolves when it is there with its images. */
  async open(url: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set("Page.loadEventFired", resolve);
    await this.call("Page.navigate", { url });
    await promise;
  }

  /** Resolves to what an expression is in the page, also one that is a promise. @throws {Error} */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", {
      ...{ expression, awaitPromise: true, returnByValue: true },
    });
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  }

  /** Sets the width of the window and the preferred colours. */
  async show(width: number, colours: "light" | "dark"): Promise<void> {
    const size = { width, height: 900, deviceScaleFactor: 1, mobile: false };
    await this.call("Emulation.setDeviceMetricsOverride", size);
    const features = [{ name: "prefers-color-scheme", value: colours }];
    await this.call("Emulation.setEmulatedMedia", { features });
  }

  /** Presses a key, as a user does. */
  async press(key: "Tab" | "Enter"): Promise<void> {
    const code = { Tab: 9, Enter: 13 }[key];
    const event = { key, code: key, windowsVirtualKeyCode: code };
    const text = key === "Enter" ? { text: "\r" } : {};
    await this.call("Input.dispatchKeyEvent", { type: "keyDown", ...event, ...text });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** A picture of the whole page, as PNG. */
  async screenshot(): Promise<Uint8Array<ArrayBuffer>> {
    const { data } = await this.call("Page.captureScreenshot", { captureBeyondViewport: true });
    return Uint8Array.fromBase64(`${data}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo.disposeAsync();
  }
}
