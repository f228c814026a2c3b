// A Chromium without a window, spoken to over a pipe (the DevTools protocol): opens a page at a size, in a scheme of colours, and tells
// what it asked the network for, what it complained about, and what a script in it says.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import type { Readable, Writable } from "node:stream";

const names = [process.env["CHROMIUM"] ?? "", "chromium", "chromium-browser", "google-chrome"];
/** The program; undefined where none is installed. */
export const chromium = names.find((name) => name !== "" && spawnSync(name, ["--version"]).status === 0);

export interface PageOptions {
  readonly width: number;
  readonly height?: number;
  readonly scheme?: "light" | "dark";
  readonly media?: "screen" | "print";
}

/** A page that is open. */
export interface OpenPage {
  /** URLs that it asked for, its own first. */
  readonly requests: readonly string[];
  /** Errors and warnings of its console, exceptions, refusals. */
  readonly complaints: readonly string[];
  /** The value of an expression, as JSON. */
  evaluate<Value>(expression: string): Promise<Value>;
  /** Chooses files for the input that the selector finds, as a person does in a picker. */
  choose(selector: string, files: readonly string[]): Promise<void>;
  /** Opens its URL again. */
  reload(): Promise<void>;
  /** The most bytes that its site may store; undefined: what the browser would leave it. */
  limitStorage(bytes: number | undefined): Promise<void>;
  /** Presses a key, as a person does. */
  press(key: keyof typeof keys): Promise<void>;
  /** A PNG of so many pixels of it, from so far down. */
  screenshot(from: number, height: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** Keys, with their numbers and the text that they write. */
const keys = { Tab: [9], Enter: [13, "\r"], Escape: [27] } as const satisfies Record<
  string,
  readonly [number, string?]
>;

type Message = {
  id?: number;
  method?: string;
  params?: Record<string, never>;
  result?: never;
  error?: { message: string };
};

export class Browser {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #listeners = new Map<string, (method: string, params: Record<string, unknown>) => void>();
  #id = 0;

  /** @param profile an empty folder */
  constructor(profile: string) {
    const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"];
    this.#process = spawn(chromium!, [...flags, "--remote-debugging-pipe", `--user-data-dir=${profile}`], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
      detached: true,
    });
    let text = "";
    (this.#process.stdio[4] as Readable).setEncoding("utf8").on("data", (chunk: string) => {
      const messages = (text + chunk).split("\0");
      text = messages.pop()!;
      for (const message of messages) this.#take(JSON.parse(message));
    });
  }

  async open(url: string, { width, height = 900, scheme = "light", media = "screen" }: PageOptions): Promise<OpenPage> {
    const { targetId } = await this.#send<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#send<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
    const send = <Result>(method: string, params = {}) => this.#send<Result>(method, params, sessionId);
    const requests: string[] = [];
    const complaints: string[] = [];
    let loaded: () => void = () => undefined;
    const whole = new Promise<void>((resolve) => {
      loaded = resolve;
    });
    this.#listeners.set(sessionId, (method, params) => {
      if (method === "Network.requestWillBeSent") requests.push((params["request"] as { url: string }).url);
      if (method === "Page.loadEventFired") loaded();
      if (method === "Runtime.exceptionThrown") complaints.push(JSON.stringify(params["exceptionDetails"]));
      if (method === "Runtime.consoleAPICalled") complaints.push(JSON.stringify(params["args"]));
      if (method === "Log.entryAdded") complaints.push(JSON.stringify(params["entry"]));
    });
    for (const domain of ["Page", "Network", "Runtime", "Log"]) await send(`${domain}.enable`);
    await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
    await send("Emulation.setEmulatedMedia", { media, features: [{ name: "prefers-color-scheme", value: scheme }] });
    await send("Page.navigate", { url });
    await whole;
    const reload = async () => {
      const again = new Promise<void>((resolve) => {
        loaded = resolve;
      });
      await send("Page.reload");
      await again;
    };
    const choose = async (selector: string, files: readonly string[]) => {
      const expression = `document.querySelector(${JSON.stringify(selector)})`;
      const { result } = await send<{ result: { objectId: string } }>("Runtime.evaluate", { expression });
      await send("DOM.setFileInputFiles", { files, objectId: result.objectId });
    };
    const limitStorage = async (bytes: number | undefined) => {
      const { origin } = new URL(url);
      const limit = bytes !== undefined && { quotaSize: bytes };
      await send("Storage.overrideQuotaForOrigin", { origin, ...limit });
    };
    const evaluate = async <Value>(expression: string) => {
      const { result, exceptionDetails } = await send<{ result: { value: Value }; exceptionDetails?: unknown }>(
        "Runtime.evaluate",
        { expression, returnByValue: true, awaitPromise: true },
      );
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return result.value;
    };
    return {
      requests,
      complaints,
      evaluate,
      choose,
      reload,
      limitStorage,
      press: async (key) => {
        const [windowsVirtualKeyCode, text]: readonly [number, string?] = keys[key];
        const what = { key, code: key, windowsVirtualKeyCode };
        await send("Input.dispatchKeyEvent", { type: "keyDown", ...what, text });
        await send("Input.dispatchKeyEvent", { type: "keyUp", ...what });
      },
      screenshot: async (from, height) => {
        const clip = { x: 0, y: from, width, height, scale: 1 };
        const { data } = await send<{ data: string }>("Page.captureScreenshot", { captureBeyondViewport: true, clip });
        return Buffer.from(data, "base64");
      },
      close: async () => {
        this.#listeners.delete(sessionId);
        await this.#send("Target.closeTarget", { targetId });
      },
    };
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    process.kill(-this.#process.pid!, "SIGKILL");
    await ended;
  }

  #send<Result>(method: string, params: object, sessionId?: string): Promise<Result> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) =>
        error === undefined ? resolve(result as unknown as Result) : reject(new Error(`${method}: ${error.message}`)),
      );
      (this.#process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  #take(message: Message & { sessionId?: string }): void {
    if (message.id !== undefined) {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    } else if (message.method !== undefined) {
      this.#listeners.get(message.sessionId ?? "")?.(message.method, (message.params ?? {}) as Record<string, unknown>);
    }
  }
}
