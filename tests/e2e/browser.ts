/** A headless Chromium, driven over the DevTools protocol (chromedevtools.github.io/devtools-protocol). */

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-port=0",
];
const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const START_MS = 60_000;
const WAIT_MS = 60_000;
const POLL_MS = 50;

type Fields = Record<string, unknown>;

interface Reply {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Fields;
  readonly result?: Fields;
  readonly error?: { readonly message: string };
  readonly sessionId?: string;
}

/** Where a Chromium is installed, or undefined. */
export function findBrowser(): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder !== "");
  const paths = NAMES.flatMap((name) => folders.map((folder) => `${folder}/${name}`));
  return paths.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
}

/** One browser of its own profile, which is gone with it. */
export class Browser {
  readonly #process: Deno.ChildProcess;
  readonly #folder: string;
  readonly #drained: Promise<void>;
  readonly #connection: Connection;

  private constructor(
    process: Deno.ChildProcess,
    folder: string,
    drained: Promise<void>,
    connection: Connection,
  ) {
    this.#process = process;
    this.#folder = folder;
    this.#drained = drained;
    this.#connection = connection;
  }

  static async launch(path: string): Promise<Browser> {
    const folder = await Deno.makeTempDir({ prefix: "hark-browser-" });
    const process = new Deno.Command(path, {
      args: [...FLAGS, `--user-data-dir=${folder}`, "about:blank"],
      env: { HOME: folder },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const found = Promise.withResolvers<string>();
    const drained = readLines(process.stderr, (line) => {
      const url = /DevTools listening on (ws:\S+)/.exec(line)?.[1];
      if (url !== undefined) found.resolve(url);
    });
    drained.then(() => found.reject(new Error("Chromium ended before it listened")));
    const url = await within(START_MS, found.promise, "Chromium did not start");
    return new Browser(process, folder, drained, await Connection.open(url));
  }

  /** Opens a page of its own, and what it shows at `url`. */
  async open(url: string): Promise<Page> {
    const { targetId } = await this.#connection.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.#connection.send("Target.attachToTarget", {
      targetId,
      flatten: true,
    });
    const page = new Page(this.#connection, String(sessionId));
    await page.start();
    await page.go(url);
    return page;
  }

  /** Ends the browser and removes its profile. */
  async close(): Promise<void> {
    await this.#connection.send("Browser.close", {});
    await this.#process.status;
    await this.#drained;
    await this.#connection.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** How a page is looked at. */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
  /** The system's colours take the place of the page's, as in Windows' contrast themes. */
  readonly hasForcedColors?: boolean;
  /** Pixels of the screen for each pixel of CSS. */
  readonly scale?: number;
}

/** One page. */
export class Page {
  readonly #connection: Connection;
  readonly #session: string;
  /** What went wrong on it: exceptions, errors on the console, violations of its policy. */
  readonly errors: string[] = [];
  /** What it logged: each call's arguments, of objects their texts and numbers. */
  readonly logs: unknown[][] = [];

  constructor(connection: Connection, session: string) {
    this.#connection = connection;
    this.#session = session;
  }

  /** For `Browser` alone. */
  async start(): Promise<void> {
    this.#connection.listen(this.#session, (method, params) => this.#hear(method, params));
    for (const domain of ["Page", "Runtime", "Log"]) await this.#send(`${domain}.enable`);
  }

  async go(url: string): Promise<void> {
    await this.#send("Page.navigate", { url });
    await this.waitFor(`document.readyState === "complete" && location.href !== "about:blank"`);
  }

  /** What `expression` comes to, awaited, as JSON would carry it. Throws what it throws. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
      userGesture: true,
    }) as { result: Fields; exceptionDetails?: { exception?: { description?: string } } };
    if (exceptionDetails === undefined) return result.value;
    throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
  }

  /** Resolves once `expression`, awaited, is true; throws if it does not become so in `ms` milliseconds. */
  async waitFor(expression: string, ms: number = WAIT_MS): Promise<void> {
    const deadline = performance.now() + ms;
    while (await this.evaluate(`(async () => Boolean(await (${expression})))()`) !== true) {
      if (performance.now() > deadline) throw new Error(`Waited in vain for ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Resolves once so many calls have logged something. */
  async waitForLogs(count: number): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (this.logs.length < count) {
      if (performance.now() > deadline) throw new Error(`Only ${this.logs.length} logs came`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Types into the element that `selector` finds, as a keyboard would. */
  async type(selector: string, text: string): Promise<void> {
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).focus()`);
    await this.#send("Input.insertText", { text });
  }

  /** Presses Enter in the element that has the focus. */
  async pressEnter(): Promise<void> {
    await this.press("Enter", { windowsVirtualKeyCode: 13, text: "\r" });
  }

  /** Presses a key whose name is its code too. */
  async press(name: string, more: Fields = {}): Promise<void> {
    const key = { key: name, code: name, ...more };
    await this.#send("Input.dispatchKeyEvent", { type: "keyDown", ...key });
    await this.#send("Input.dispatchKeyEvent", { type: "keyUp", ...key });
  }

  async look({ width, height, scheme, scale = 1, hasForcedColors = false }: View): Promise<void> {
    await this.#send("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: scale,
      mobile: width < 500,
    });
    await this.#send("Emulation.setEmulatedMedia", {
      features: [
        { name: "prefers-color-scheme", value: scheme },
        { name: "prefers-reduced-motion", value: "reduce" },
        { name: "forced-colors", value: hasForcedColors ? "active" : "none" },
      ],
    });
  }

  /** The page as a PNG; `whole` takes in what is out of sight below. */
  async screenshot(whole = false): Promise<Uint8Array> {
    const { data } = await this.#send("Page.captureScreenshot", { captureBeyondViewport: whole });
    return Uint8Array.fromBase64(String(data));
  }

  #send(method: string, params: Fields = {}): Promise<Fields> {
    return this.#connection.send(method, params, this.#session);
  }

  #hear(method: string, params: Fields): void {
    if (method === "Runtime.exceptionThrown") this.errors.push(JSON.stringify(params));
    if (method === "Runtime.consoleAPICalled" && params.type === "error") {
      this.errors.push(JSON.stringify(params.args));
    }
    if (method === "Runtime.consoleAPICalled" && params.type === "log") {
      this.logs.push((params.args as RemoteObject[]).map(valueOf));
    }
    if (method === "Log.entryAdded") {
      const entry = params.entry as { level: string; text: string; url?: string };
      if (entry.level === "error") this.errors.push(`${entry.text} ${entry.url ?? ""}`);
    }
  }
}

/** A value of the page as the protocol tells it. */
interface RemoteObject {
  readonly value?: unknown;
  readonly preview?: { readonly properties: readonly { name: string; value: string }[] };
}

function valueOf({ value, preview }: RemoteObject): unknown {
  if (preview === undefined) return value;
  return Object.fromEntries(preview.properties.map(({ name, value }) => [name, value]));
}

/** The DevTools protocol on one WebSocket, for the browser and every page. */
class Connection {
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, PromiseWithResolvers<Fields>>();
  readonly #listeners = new Map<string, (method: string, params: Fields) => void>();
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = () => {
      for (const { reject } of this.#pending.values()) reject(new Error("Chromium is gone"));
    };
  }

  static async open(url: string): Promise<Connection> {
    const socket = new WebSocket(url);
    const opened = Promise.withResolvers<void>();
    socket.onopen = () => opened.resolve();
    socket.onerror = () => opened.reject(new Error(`Cannot reach Chromium at ${url}`));
    await opened.promise;
    return new Connection(socket);
  }

  listen(session: string, listener: (method: string, params: Fields) => void): void {
    this.#listeners.set(session, listener);
  }

  send(method: string, params: Fields, sessionId?: string): Promise<Fields> {
    const id = ++this.#id;
    const reply = Promise.withResolvers<Fields>();
    this.#pending.set(id, reply);
    this.#socket.send(JSON.stringify({ id, method, params, sessionId }));
    return reply.promise;
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise((resolve) => this.#socket.addEventListener("close", resolve));
    this.#socket.close();
    await closed;
  }

  #receive({ id, method, params = {}, result = {}, error, sessionId = "" }: Reply): void {
    if (id === undefined) return this.#listeners.get(sessionId)?.(method ?? "", params);
    const reply = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) reply?.resolve(result);
    else reply?.reject(new Error(error.message));
  }
}

/** Calls `hear` with every line of a child's output, until its end. */
export async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  hear: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(hear);
  }
}

/** `promise`, or an error that says `what` if it takes longer than `ms` milliseconds. */
export async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what} in ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
