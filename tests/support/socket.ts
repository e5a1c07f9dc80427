import { deadline } from "./deadline.ts";
import { Inbox } from "./inbox.ts";

/** What a client offers and says of itself. */
export interface ClientOptions {
  readonly protocols?: string[];
  readonly headers?: Record<string, string>;
  /** What connects, where it is not by plain TCP. */
  readonly client?: Deno.HttpClient;
}

/** A WebSocket client that keeps what it receives. */
export class Client implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly frames: Inbox<string | Uint8Array> = new Inbox();
  readonly #closed = Promise.withResolvers<CloseEvent>();

  /** Resolves once the handshake is done; rejects if it is refused. */
  static async open(url: string, options: ClientOptions = {}): Promise<Client> {
    const client = new Client(new WebSocket(url, { protocols: [], ...options }));
    await deadline(client.#opened());
    return client;
  }

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      this.frames.push(typeof data === "string" ? data : new Uint8Array(data));
    };
    socket.onclose = (event) => {
      this.frames.end(`the socket was closed with ${event.code} ${event.reason}`);
      this.#closed.resolve(event);
    };
  }

  /** The next text frame. */
  async text(): Promise<string> {
    const frame = await this.frames.next();
    if (typeof frame !== "string") throw new TypeError("expected a text frame");
    return frame;
  }

  /** The next text frame as JSON. */
  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    this.socket.send(message);
  }

  /** How the connection ended, once it has. */
  async closed(): Promise<{ code: number; reason: string }> {
    const { code, reason } = await deadline(this.#closed.promise);
    return { code, reason };
  }

  /** Says goodbye and waits for the answer. */
  async close(code = 1000): Promise<void> {
    this.socket.close(code);
    await this.closed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.readyState < WebSocket.CLOSING) this.socket.close();
    await this.closed();
  }

  #opened(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.socket.onopen = () => resolve();
    this.socket.onerror = (event) => reject(new Error((event as ErrorEvent).message));
    return promise;
  }
}

type Fields = Record<string, unknown>;

/** A client of `hark.v1`: the events of all frames one by one. */
export class HarkClient implements AsyncDisposable {
  readonly client: Client;
  readonly events: Inbox<Fields> = new Inbox();
  #ref = 0;

  static async open(url: string, headers: Record<string, string> = {}): Promise<HarkClient> {
    return new HarkClient(await Client.open(url, { protocols: ["hark.v1"], headers }));
  }

  private constructor(client: Client) {
    this.client = client;
    const receive = (frame: string | Uint8Array) => {
      parseEvents(frame).forEach((event) => this.events.push(event));
    };
    client.frames.takeAll().forEach(receive);
    client.socket.onmessage = ({ data }) => receive(data);
    client.socket.addEventListener("close", () => this.events.end("the socket was closed"));
  }

  /** The next event. */
  event(): Promise<Fields> {
    return this.events.next();
  }

  /** Sends a command and returns its reply; what comes before it is dropped. */
  async command(fields: Fields): Promise<Fields> {
    const ref = ++this.#ref;
    this.client.send(JSON.stringify({ ...fields, ref }));
    const { ref: _, ...reply } = await this.events.find((event) => event.ref === ref);
    return reply;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
  }
}

function parseEvents(frame: string | Uint8Array): Fields[] {
  const events: unknown = JSON.parse(String(frame));
  if (!Array.isArray(events)) throw new TypeError(`expected a list of events, got ${frame}`);
  return events;
}
